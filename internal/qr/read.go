package qr

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif" // the formats that pictures of codes come in
	_ "image/jpeg"
	_ "image/png"
	"io"

	"github.com/makiuchi-d/gozxing"
	multi "github.com/makiuchi-d/gozxing/multi/qrcode"
	"github.com/makiuchi-d/gozxing/qrcode"
)

const (
	// maxPicture bounds the file of a picture, and maxDecoded what becomes of it in memory, in bytes: a telephone's camera makes
	// less.
	maxPicture = 32 << 20
	maxDecoded = 256 << 20
	// enough is as many pixels across as finding a code in a picture needs; the time that it takes grows with them.
	enough = 2000
)

// ErrNoCode says that no QR code was found in a picture.
var ErrNoCode = errors.New("there is no QR code in this picture that can be read")

// Read returns the texts of the QR codes in a picture (PNG, JPEG or GIF): one that is turned by 20° or seen at a slant of
// 5 % is read as well. The error may be [ErrNoCode].
func Read(picture io.Reader) ([]string, error) {
	file, err := io.ReadAll(io.LimitReader(picture, maxPicture+1))
	if err != nil {
		return nil, err
	}
	if len(file) > maxPicture {
		return nil, fmt.Errorf("the picture has more than %d MiB", maxPicture>>20)
	}
	size, _, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, noPicture(err)
	}
	// A file of some bytes may announce a picture that fills all memory.
	perPixel := 4
	if size.ColorModel == color.RGBA64Model || size.ColorModel == color.NRGBA64Model {
		perPixel = 8
	}
	if size.Width < 1 || size.Height < 1 || size.Width > maxDecoded/perPixel/size.Height {
		return nil, fmt.Errorf("the picture of %d x %d pixels is too large", size.Width, size.Height)
	}
	img, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, noPicture(err)
	}
	return find(shrunk(img))
}

// shrunk makes a picture smaller by a whole factor, each pixel the mean of those that it stands for.
func shrunk(img image.Image) image.Image {
	b := img.Bounds()
	n := (max(b.Dx(), b.Dy()) + enough - 1) / enough
	if n <= 1 {
		return img
	}
	small := image.NewGray(image.Rect(0, 0, max(1, b.Dx()/n), max(1, b.Dy()/n)))
	for y := range small.Rect.Dy() {
		for x := range small.Rect.Dx() {
			sum, of := 0, 0
			for p := range n * n {
				if at := b.Min.Add(image.Pt(x*n+p%n, y*n+p/n)); at.In(b) {
					sum, of = sum+int(color.GrayModel.Convert(img.At(at.X, at.Y)).(color.Gray).Y), of+1
				}
			}
			small.SetGray(x, y, color.Gray{uint8(sum / of)})
		}
	}
	return small
}

func noPicture(err error) error {
	if errors.Is(err, image.ErrFormat) {
		return errors.New("that is no picture: want PNG, JPEG or GIF")
	}
	return fmt.Errorf("the picture cannot be read: %w", err)
}

// find looks for codes as often as the library has ways to.
func find(img image.Image) (texts []string, err error) {
	// The library is a translation of one that throws: a picture made for it may lead to an index out of range.
	defer func() {
		if recover() != nil {
			texts, err = nil, ErrNoCode
		}
	}()
	source := gozxing.NewLuminanceSourceFromImage(img)
	hints := map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true}
	for _, light := range []gozxing.LuminanceSource{source, source.Invert()} {
		for _, binarizer := range []gozxing.Binarizer{gozxing.NewHybridBinarizer(light), gozxing.NewGlobalHistgramBinarizer(light)} {
			bits, err := gozxing.NewBinaryBitmap(binarizer)
			if err != nil {
				continue
			}
			if found, err := multi.NewQRCodeMultiReader().DecodeMultiple(bits, hints); err == nil && len(found) > 0 {
				for _, f := range found {
					texts = append(texts, f.GetText())
				}
				return texts, nil
			}
			if one, err := qrcode.NewQRCodeReader().Decode(bits, hints); err == nil {
				return []string{one.GetText()}, nil
			}
		}
	}
	return nil, ErrNoCode
}
