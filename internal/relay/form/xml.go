package form

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// parseXML decodes an XML body, which the service used to take: the elements inside of the root are the parameters,
// with "-" for "_" in their names, and nil="true" is null. What is nested deeper is no value.
func parseXML(body []byte) ([]Param, error) {
	if !utf8.Valid(body) {
		return nil, notUTF8()
	}
	var all []Param
	decoder := xml.NewDecoder(bytes.NewReader(body))
	var text strings.Builder
	rooted := len(bytes.TrimSpace(body)) == 0 // an empty body holds nothing, and any other an element
	for depth := 0; ; {
		token, err := decoder.RawToken()
		if errors.Is(err, io.EOF) && depth == 0 && rooted {
			return all, nil
		}
		if err != nil {
			return nil, refuse(NotXML, "The body is not XML.")
		}
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			rooted = true
			if depth == 2 {
				if len(all) == maxParams {
					return nil, tooManyParams()
				}
				all = append(all, xmlParam(&t))
				text.Reset()
			} else if depth > 2 {
				all[len(all)-1].Kind = Nested
			}
		case xml.CharData:
			if depth == 2 {
				text.Write(t)
			} else if depth < 2 && len(bytes.TrimSpace(t)) > 0 {
				return nil, refuse(NotXML, "The body is not XML, or has a text beside its elements.")
			}
		case xml.EndElement:
			if depth == 2 && all[len(all)-1].Kind != Null {
				all[len(all)-1].Value = clean(text.String())
			}
			if depth--; depth < 0 {
				return nil, refuse(NotXML, "The body is not XML.")
			}
		}
	}
}

func xmlParam(e *xml.StartElement) Param {
	p := Param{Name: strings.ReplaceAll(e.Name.Local, "-", "_")}
	for _, a := range e.Attr {
		if a.Name.Local == "nil" && a.Value == "true" {
			p.Kind = Null
		}
	}
	return p
}
