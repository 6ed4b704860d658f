package replication

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// canonicalID gives a string that is equal for exactly those values of _id which
// the _id index holds to be the same: numbers by value whatever their type, also
// inside documents and arrays.
func canonicalID(v bson.RawValue) string {
	var some [64]byte
	return string(appendCanonical(some[:0], v))
}

func appendCanonical(b []byte, v bson.RawValue) []byte {
	switch v.Type {
	case bson.TypeInt32:
		return appendWhole(append(b, 'n'), int64(v.Int32()))
	case bson.TypeInt64:
		return appendWhole(append(b, 'n'), v.Int64())
	case bson.TypeDouble:
		f := v.Double()
		if n := int64(f); math.Abs(f) < 1<<53 && float64(n) == f {
			return appendWhole(append(b, 'n'), n)
		}
		return appendField(append(b, 'n'), canonicalDouble(f))
	case bson.TypeDecimal128:
		return appendField(append(b, 'n'), canonicalDecimal(v))
	case bson.TypeString, bson.TypeSymbol:
		return appendField(append(b, 's'), v.Value[4:len(v.Value)-1])
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		return appendNested(b, v)
	default:
		return appendField(append(b, byte(v.Type)), v.Value)
	}
}

// appendNested adds a document or array; the names of an array's elements do
// not matter.
func appendNested(b []byte, v bson.RawValue) []byte {
	b = append(b, byte(v.Type))
	elements, err := bson.Raw(v.Value).Elements()
	if err != nil {
		return appendField(b, v.Value) // not BSON: only itself is equal to it
	}
	for _, e := range elements {
		b = append(b, 'e')
		if v.Type == bson.TypeEmbeddedDocument {
			b = appendField(b, e.Key())
		}
		b = appendCanonical(b, e.Value())
	}
	return append(b, '.')
}

// appendField adds a text behind its length, so that no two values run together.
func appendField[T string | []byte](b []byte, text T) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	return append(b, text...)
}

// appendWhole adds a whole number as decimal writes it: most values of _id that are
// numbers are.
func appendWhole(b []byte, n int64) []byte {
	if n == 0 {
		return appendField(b, "0")
	}
	var some [24]byte
	text := strconv.AppendInt(some[:0], n, 10)
	digits := len(bytes.TrimRight(text, "0"))
	return appendField(b, strconv.AppendInt(append(text[:digits], 'e'), int64(len(text)-digits), 10))
}

// canonicalDecimal and canonicalDouble give the exact value in decimal: digits
// without trailing zeros, and an exponent.
func canonicalDecimal(v bson.RawValue) string {
	d := v.Decimal128()
	switch {
	case d.IsNaN():
		return "NaN"
	case d.IsInf() > 0:
		return "Inf"
	case d.IsInf() < 0:
		return "-Inf"
	}
	digits, exponent, err := d.BigInt()
	if err != nil {
		return string(v.Value)
	}
	return decimal(digits, exponent)
}

func canonicalDouble(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Inf"
	case math.IsInf(f, -1):
		return "-Inf"
	}
	// Every double is a whole number over a power of two, and so a whole number
	// over the same power of ten: n/2^k = n*5^k/10^k.
	r := new(big.Rat).SetFloat64(f)
	k := r.Denom().BitLen() - 1
	five := new(big.Int).Exp(big.NewInt(5), big.NewInt(int64(k)), nil)
	return decimal(five.Mul(five, r.Num()), -k)
}

func decimal(digits *big.Int, exponent int) string {
	if digits.Sign() == 0 {
		return "0"
	}
	text := digits.String()
	trimmed := strings.TrimRight(text, "0")
	return trimmed + "e" + big.NewInt(int64(exponent+len(text)-len(trimmed))).String()
}
