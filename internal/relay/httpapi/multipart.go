package httpapi

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
)

// parseMultipart decodes a body of multipart/form-data, as curl -F, PHP arrays and FormData of browsers send it. A file
// is the text that it holds.
func parseMultipart(h http.Header, body []byte) ([]param, error) {
	var all []param
	err := eachPart(h, body, func(name string, value []byte) error {
		if len(all) == maxParams {
			return tooManyParams()
		}
		all = append(all, param{name: name, value: clean(string(value))})
		return nil
	})
	return all, err
}

// eachPart calls visit for the parts of a form that is in memory; nothing goes to the disk. One that ends before its last
// boundary, or has a part without a name, is refused.
func eachPart(h http.Header, body []byte, visit func(name string, value []byte) error) error {
	broken := badBody(bodyMultipart, "The body is not multipart/form-data, or not all of it.")
	media, attributes, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || media != mediaMultipart || attributes["boundary"] == "" {
		return broken
	}
	reader := multipart.NewReader(bytes.NewReader(body), attributes["boundary"])
	for {
		part, err := reader.NextPart()
		if err == io.EOF { // wrapped, it would be the end of the body and not of the form
			return nil
		}
		if err != nil {
			return broken
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
