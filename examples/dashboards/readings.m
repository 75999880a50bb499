% Plots the readings of a room. The functions thingSpeakRead and thingSpeakWrite know one address only, so webread it is.
gateway = "http://192.168.1.9:8080";
options = weboptions("HeaderFields", ["X-THINGSPEAKAPIKEY" "AAAABBBBCCCCDDDD"], "ContentType", "json", "Timeout", 15);

feed = webread(gateway + "/channels/4711123/feeds.json", "results", 8000, options).feeds;
time = datetime({feed.created_at}, "InputFormat", "yyyy-MM-dd'T'HH:mm:ss'Z'", "TimeZone", "UTC");
plot(time, str2double({feed.field1}))

% And writes one.
number = webwrite(gateway + "/update", "api_key", "AAAABBBBCCCCDDDD", "field1", 21.5);
