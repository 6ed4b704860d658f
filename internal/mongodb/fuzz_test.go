package mongodb

import (
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
)

// FuzzTokenTime: a token that begins as the server's do gives its time, anything
// else an error.
func FuzzTokenTime(f *testing.F) {
	f.Add("82", uint32(1), uint32(2), "2B0229296E04", []byte{})
	f.Add("81", uint32(1), uint32(2), "", []byte{5, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, head string, seconds, i uint32, rest string, data []byte) {
		_, _ = TokenTime(data) // any bytes: no panic is all that is wanted
		token, err := bson.Marshal(bson.D{{Key: "_data", Value: fmt.Sprintf("%s%08X%08X%s", head, seconds, i, rest)}})
		if err != nil {
			return
		}
		got, err := TokenTime(token)
		if want := (migration.OpTime{T: seconds, I: i}); head == "82" && (err != nil || got != want) {
			t.Fatalf("%s: %v, %v", token, got, err)
		}
		if len(head) == 2 && head != "82" && err == nil {
			t.Fatalf("%s passes", token)
		}
	})
}
