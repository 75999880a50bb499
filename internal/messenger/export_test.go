package messenger

// Joined is what a reading and the one after it have found out, for a face that was told of neither.
func Joined(before *Read, next Read) *Read { return before.with(next) }
