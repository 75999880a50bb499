package gateway

import (
	"mime"
	"net/http"
	"strconv"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

func (d *roomDoor) postFile(w http.ResponseWriter, v *roomRequest) error {
	if long := v.query.Get("long"); long != "" && long != "true" && long != "false" {
		return refusef(http.StatusBadRequest, "long is true, or false")
	}
	file := record.File{Name: v.query.Get("name"), Media: v.Header.Get("Content-Type")}
	if file.Media == "" {
		file.Media = "application/octet-stream"
	}
	if file.Name == "" {
		return refusef(http.StatusBadRequest, "name the file: name=NAME")
	}
	var err error
	if file.Content, err = ReadBody(w, v.Request, record.MaxFile); err != nil {
		return err
	}
	return d.send(w, v, file)
}

func (d *roomDoor) getFile(w http.ResponseWriter, v *roomRequest) error {
	author, err := record.ParseKey(v.PathValue("key"))
	number, numberErr := strconv.ParseUint(v.PathValue("number"), 10, 32)
	if err != nil || numberErr != nil {
		return refusef(http.StatusNotFound, "a file is called by its author's public key and its number, as the path in its message says")
	}
	var found []model.Item
	err = v.with(func(r *messenger.Room) (err error) {
		found, err = r.Numbered(author, uint32(number))
		return err
	})
	switch {
	case err != nil:
		return err
	case len(found) > 1:
		return refusef(http.StatusConflict, "its author's key wrote %d different messages with this number", len(found))
	case len(found) == 0:
		return refusef(http.StatusNotFound, "there is no such message here")
	}
	file, ok := found[0].Record.Body.(record.File)
	if !ok {
		return refusef(http.StatusNotFound, "that message is no file")
	}
	// Whatever its author calls it, nothing shows it as a page of this address.
	w.Header().Set("Content-Security-Policy", "sandbox")
	base, ext := screen.FileName(file.Name) // or whoever saves it under that name may write elsewhere
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": base + ext}))
	send(w, http.StatusOK, "application/octet-stream", file.Content)
	return nil
}
