package form

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
)

// parseMultipart decodes a body of multipart/form-data, as curl -F, PHP arrays and FormData of browsers send it. A file
// is the text that it holds.
func parseMultipart(contentType string, body []byte) ([]Param, error) {
	var all []Param
	err := eachPart(contentType, body, func(name string, value []byte) error {
		if len(all) == maxParams {
			return tooManyParams()
		}
		all = append(all, Param{Name: name, Value: clean(string(value))})
		return nil
	})
	return all, err
}

// eachPart calls visit for the parts of a form that is in memory; nothing goes to the disk. One that ends before its last
// boundary, or has a part without a name, is refused.
func eachPart(contentType string, body []byte, visit func(name string, value []byte) error) error {
	broken := refuse(NotMultipart, "The body is not multipart/form-data, or not all of it.")
	media, attributes, err := mime.ParseMediaType(contentType)
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
