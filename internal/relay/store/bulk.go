package store

// Statements for bulk calls. InsertBulk takes a generation and the first and last number, SelectBulk a generation and the
// first and last number that are asked for, DeleteBulk a generation.
const (
	InsertBulk = "INSERT INTO bulk_calls (generation, first, last) VALUES ($1, $2, $3)"
	SelectBulk = "SELECT first, last FROM bulk_calls WHERE generation = $1 AND last >= $2 AND first <= $3 ORDER BY last"
	DeleteBulk = "DELETE FROM bulk_calls WHERE generation = $1"
)
