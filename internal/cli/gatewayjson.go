package cli

import "time"

// grantJSON is a key or a token of the gateway.
type grantJSON struct {
	Number  int64     `json:"number" means:"what names it"`
	Kind    string    `json:"kind" means:"key, or token"`
	Key     *string   `json:"key" means:"the key or token itself; null but for \"add\""`
	Room    *string   `json:"room" means:"the one room that it is for; null is every room"`
	Channel *int64    `json:"channel" means:"that room's channel"`
	Scopes  []string  `json:"scopes" means:"what it may do: read, write, admin"`
	Wait    *string   `json:"wait" means:"how long the answer to a reading is held for the cloud's; null is not at all"`
	Made    time.Time `json:"made" means:"when it was made"`
}

func (grantJSON) about() string {
	return `A key or token ("gateway key add", "gateway key list", "gateway token add", "gateway token list"):`
}

// fieldJSON is how a field of a room is called here.
type fieldJSON struct {
	Room    string  `json:"room" means:"its room"`
	Channel int64   `json:"channel" means:"that room's channel"`
	Field   int     `json:"field" means:"its number"`
	Name    string  `json:"name" means:"how it is called on this device"`
	Unit    *string `json:"unit" means:"the unit of its values"`
	Class   *string `json:"class" means:"Home Assistant's device class"`
}

func (fieldJSON) about() string { return `A named field ("gateway field list"):` }
