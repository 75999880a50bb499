package thingspeak

// ErrorCode is the code word by which the service names an error (contract section 4). Text replies hold it alone.
type ErrorCode string

// The code words, in the order of their HTTP statuses. Statuses from 500 on have none.
const (
	CodeBadRequest      ErrorCode = "error_bad_request"
	CodeAuthRequired    ErrorCode = "error_auth_required"
	CodePaymentRequired ErrorCode = "error_payment_required"
	CodeNotFound        ErrorCode = "error_resource_not_found"
	CodeMethodInvalid   ErrorCode = "error_method_invalid"
	CodeConflict        ErrorCode = "error_conflict"
	CodeLengthRequired  ErrorCode = "error_length_required" // of our relay; the service's table has none
	CodeRequestTooLarge ErrorCode = "error_request_too_large"
	CodeNoAction        ErrorCode = "error_no_action"
	CodeInvalidBytes    ErrorCode = "error_invalid_byte_sequence"
	CodeTooManyRequests ErrorCode = "error_too_many_requests"
)

var errorTable = [...]struct {
	code    ErrorCode
	status  int
	message string
}{
	{CodeBadRequest, 400, "Bad Request"},
	{CodeAuthRequired, 401, "Authorization Required"},
	{CodePaymentRequired, 402, "Payment Required"},
	{CodeNotFound, 404, "Resource Not Found"},
	{CodeMethodInvalid, 405, "Method Not Allowed"},
	{CodeConflict, 409, "Conflict"},
	{CodeLengthRequired, 411, "Length Required"},
	{CodeRequestTooLarge, 413, "Request Entity Too Large"},
	{CodeNoAction, 421, "No Action Performed"},
	{CodeInvalidBytes, 422, "Unprocessable Entity"},
	{CodeTooManyRequests, 429, "Too Many Requests"},
}

// Status returns the HTTP status that goes with the code, 0 for a word that is not in the table.
func (c ErrorCode) Status() int {
	for i := range errorTable {
		if errorTable[i].code == c {
			return errorTable[i].status
		}
	}
	return 0
}

// Message returns the English text that goes with the code, empty for a word that is not in the table.
func (c ErrorCode) Message() string {
	for i := range errorTable {
		if errorTable[i].code == c {
			return errorTable[i].message
		}
	}
	return ""
}
