package game

// talks are what the bots say: each in any order, by either of them.
var talks = [...][]string{
	{
		"the boat leaves at six", "bring the long rope", "I have the two lamps", "it rained in the hills all night",
		"the bridge is under water", "then we go by the mill", "the miller is a friend", "he wants his book back",
		"I put it into the blue bag", "do not forget the bread", "there is some cheese, too", "my boots are still wet",
		"dry them by the stove", "the dog comes along", "we shall be nine people",
	},
	{
		"the third sensor is warm again", "how warm is it?", "four degrees above the others", "somebody has put it into the sun",
		"I shall move it behind the shed", "take the small ladder", "its battery is nearly empty", "there are two in the drawer",
		"the wind gauge has stopped", "that was a spider, last time", "look at its cable first", "the gate was open this morning",
		"I closed it at seven", "then it was the postman", "tell him about the lock",
	},
	{
		"we play on Saturday", "who brings the drum?", "it is at my sister's", "the hall has no heating",
		"last year we wore coats", "the second song is too fast", "let us begin with the slow one", "my new strings have come",
		"the poster has a wrong date", "I have told the printer", "fifty chairs, I think", "rather sixty",
		"the mayor wants to speak", "five minutes and no more", "somebody has to tell him",
	},
	{
		"the parcel is at the station", "which locker?", "the code is the year of the flood", "I wrote that on no paper",
		"good, keep it so", "the clock there is slow", "by how much?", "three minutes since spring",
		"I go at noon", "take the side door", "the guard knows me", "he asked about the cat",
		"she is well again", "and the kittens?", "all four are grey",
	},
}

// flags are short words, one for each pair.
var flags = [...]string{
	"alder", "birch", "cedar", "daisy", "elder", "fern", "gorse", "hazel", "iris", "juniper", "kelp", "larch", "maple", "nettle", "oak",
	"pine", "quince", "rowan", "sorrel", "thyme", "umbel", "violet", "willow", "yarrow", "aspen", "beech", "clover", "dill", "flax",
	"heather", "ivy", "jasmine", "lupin", "mint", "olive", "poppy", "reed", "sage", "tansy", "vetch",
}
