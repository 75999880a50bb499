package form

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"strings"
)

// parseMultipart decodes a body of multipart/form-data, as curl -F, PHP arrays and FormData of browsers send it. A file
// is the text that it holds.
func parseMultipart(contentType string, body []byte) ([]Param, error) {
	var all []Param
	err := eachPart(contentType, body, func(name string, value []byte) error {
		all = append(all, textParam(name, string(value)))
		return nil
	})
	return all, err
}

// eachPart calls visit for the parts of a form that is in memory; nothing goes to the disk. One that ends before its last
// boundary, has a part without a name, or more than maxParams, is refused.
func eachPart(contentType string, body []byte, visit func(name string, value []byte) error) error {
	broken := refuse(NotMultipart, "The body is not multipart/form-data, or not all of it.")
	boundary := ownBoundary(body)
	if isParts(contentType) {
		media, attributes, err := mime.ParseMediaType(contentType)
		if boundary = attributes["boundary"]; err != nil || media != mediaMultipart || boundary == "" {
			return broken
		}
	}
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	for n := 0; ; n++ {
		part, err := reader.NextPart()
		if err == io.EOF { // wrapped, it would be the end of the body and not of the form
			if n == 0 && len(bytes.TrimSpace(body)) > 0 {
				return broken // what stands before the end was passed over, such as parts between another boundary
			}
			return nil
		}
		if err != nil {
			return broken
		}
		if n == maxParams {
			return tooManyParams()
		}
		value, err := io.ReadAll(part)
		name := clean(part.FormName())
		if err != nil || name == "" {
			return broken
		}
		if err := visit(name, value); err != nil {
			return err
		}
	}
}

// IsMultipart reports whether a body is a form in parts. Clients that set the type by hand name another one.
func IsMultipart(contentType string, body []byte) bool {
	return isParts(contentType) || ownBoundary(body) != ""
}

func isParts(contentType string) bool { return strings.HasPrefix(mediaOf(contentType), "multipart/") }

// ownBoundary is the boundary that a body begins with, where that is certain: a part of a form follows. Otherwise it is
// empty.
func ownBoundary(body []byte) string {
	first, rest, _ := bytes.Cut(bytes.TrimLeft(body, "\r\n"), []byte{'\n'})
	boundary, dashed := bytes.CutPrefix(bytes.TrimRight(first, " \t\r"), []byte("--"))
	const header = "content-disposition:"
	if !dashed || len(boundary) == 0 || len(boundary) > maxBoundary ||
		len(rest) < len(header) || !strings.EqualFold(string(rest[:len(header)]), header) {
		return ""
	}
	return string(boundary)
}

// maxBoundary is the longest boundary, in bytes (RFC 2046, section 5.1.1).
const maxBoundary = 70
