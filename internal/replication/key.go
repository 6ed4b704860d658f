package replication

import (
	"encoding/binary"
	"math"
	"math/big"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// canonicalID gives a string that is equal for exactly those values of _id which
// the _id index holds to be the same: numbers by value whatever their type, also
// inside documents and arrays.
func canonicalID(v bson.RawValue) string {
	var b strings.Builder
	writeCanonical(&b, v)
	return b.String()
}

func writeCanonical(b *strings.Builder, v bson.RawValue) {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		b.WriteByte('n')
		writeField(b, canonicalNumber(v))
	case bson.TypeString, bson.TypeSymbol:
		b.WriteByte('s')
		writeField(b, string(v.Value[4:len(v.Value)-1]))
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		writeNested(b, v)
	default:
		b.WriteByte(byte(v.Type))
		writeField(b, string(v.Value))
	}
}

// writeNested writes a document or array; the names of an array's elements do
// not matter.
func writeNested(b *strings.Builder, v bson.RawValue) {
	b.WriteByte(byte(v.Type))
	elements, err := bson.Raw(v.Value).Elements()
	if err != nil {
		writeField(b, string(v.Value)) // not BSON: only itself is equal to it
		return
	}
	for _, e := range elements {
		b.WriteByte('e')
		if v.Type == bson.TypeEmbeddedDocument {
			writeField(b, e.Key())
		}
		writeCanonical(b, e.Value())
	}
	b.WriteByte('.')
}

// writeField writes a text behind its length, so that no two values run together.
func writeField(b *strings.Builder, text string) {
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(text)))
	b.Write(length[:])
	b.WriteString(text)
}

// canonicalNumber gives the exact value in decimal: digits without trailing
// zeros, and an exponent.
func canonicalNumber(v bson.RawValue) string {
	switch v.Type {
	case bson.TypeInt32:
		return decimal(big.NewInt(int64(v.Int32())), 0)
	case bson.TypeInt64:
		return decimal(big.NewInt(v.Int64()), 0)
	case bson.TypeDouble:
		return canonicalDouble(v.Double())
	default:
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
