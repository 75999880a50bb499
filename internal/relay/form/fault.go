package form

// Fault is a reason for which what a client sent is refused; it is a label of the metrics, and what the log says.
type Fault string

// The reasons.
const (
	TooLarge     Fault = "too_large"
	Cut          Fault = "cut"   // it did not arrive whole
	Busy         Fault = "busy"  // others hold the memory for it
	Coded        Fault = "coded" // it is compressed
	NotText      Fault = "bytes" // no UTF-8, or a NUL
	NotForm      Fault = "form"
	NotMultipart Fault = "multipart"
	NotJSON      Fault = "json"
	NotXML       Fault = "xml"
	NotBulk      Fault = "bulk"
	TooMany      Fault = "parameters" // too many
	NotValue     Fault = "value"      // one is too long, or no value
	NoName       Fault = "names"      // none of its names is known
)

// Faults are all reasons.
var Faults = [...]Fault{
	TooLarge, Cut, Busy, Coded, NotText, NotForm, NotMultipart, NotJSON, NotXML, NotBulk, TooMany,
	NotValue, NoName,
}

// Error says why something cannot be decoded.
type Error struct {
	Fault Fault
	// Hint is a sentence for whoever has sent it.
	Hint string
}

func refuse(fault Fault, hint string) error { return &Error{fault, hint} }

func (e *Error) Error() string { return string(e.Fault) + ": " + e.Hint }
