package mongodb

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
)

// TokenTime reads the cluster time at the head of a resume token: its _data is
// the hex form of a key string that begins with the byte 0x82 and the eight
// bytes of a timestamp.
func TokenTime(token bson.Raw) (migration.OpTime, error) {
	data, err := TokenData(token)
	if err != nil {
		return migration.OpTime{}, err
	}
	const head = 1 + 8
	if len(data) < 2*head {
		return migration.OpTime{}, fmt.Errorf("resume token %q is too short", data)
	}
	raw, err := hex.DecodeString(data[:2*head])
	if err != nil || raw[0] != 0x82 {
		return migration.OpTime{}, fmt.Errorf("resume token %q does not begin with a timestamp", data)
	}
	return migration.OpTime{T: binary.BigEndian.Uint32(raw[1:]), I: binary.BigEndian.Uint32(raw[5:])}, nil
}

// TokenData is the token's _data. Strings of the same stream compare in its
// order.
func TokenData(token bson.Raw) (string, error) {
	data, ok := token.Lookup("_data").StringValueOK()
	if !ok {
		return "", fmt.Errorf("resume token %s has no _data", token)
	}
	return data, nil
}
