package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"golang.org/x/sync/errgroup"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

const (
	// fillers is how many connections fill the source; nothing is measured by it.
	fillers = 4
	// insertDocuments and insertBytes bound one insert of generated documents.
	insertDocuments = 5000
	insertBytes     = 12 << 20
)

// dataset is a collection of documents of a size.
type dataset struct {
	name      string
	documents int64
	size      int
	indexes   []bson.D
}

// database holds what is measured with, metadata what the tool keeps beside it;
// collection is the one where there is one.
const (
	database = "bench"
	metadata = migration.DefaultMetadataDB
)

var collection = migration.Namespace{DB: database, Collection: "c"}

// maker makes documents as applications have them: an ObjectId, numbers, a date, short
// strings, an array, a sub-document and text of words, which compresses about as text
// does. The same seed makes the same documents.
type maker struct {
	r    *rand.Rand
	size int
	text []byte
}

func newMaker(seed uint64, size int) *maker {
	m := &maker{r: rand.New(rand.NewPCG(seed, 1)), size: size} //nolint:gosec // no secret
	m.text = words(m.r, 1<<20)
	return m
}

// words is text of a vocabulary of random words, a few of them in many places, as in a
// language. What a server compresses at a time is a small part of it.
func words(r *rand.Rand, length int) []byte {
	vocabulary := make([][]byte, 4000)
	for i := range vocabulary {
		word := make([]byte, 2+r.IntN(9))
		for j := range word {
			word[j] = byte('a' + r.IntN(26))
		}
		vocabulary[i] = append(word, ' ')
	}
	zipf := rand.NewZipf(r, 1.1, 8, uint64(len(vocabulary)-1))
	text := make([]byte, 0, length+16)
	for len(text) < length {
		text = append(text, vocabulary[zipf.Uint64()]...)
	}
	return text[:length]
}

// objectID is that of the n-th document: ascending, as one process makes them.
func objectID(n int64) bson.ObjectID {
	var id bson.ObjectID
	binary.BigEndian.PutUint32(id[:], uint32(1_700_000_000+n/1000)) //nolint:gosec // some date
	copy(id[4:9], "bench")
	id[9], id[10], id[11] = byte(n>>16), byte(n>>8), byte(n)
	return id
}

var (
	statuses = []string{"new", "paid", "packed", "shipped", "returned"}
	cities   = []string{"Berlin", "Lyon", "Porto", "Gdansk", "Turku", "Graz", "Cork", "Brno"}
)

// document appends the n-th document, of about the maker's size.
func (m *maker) document(dst []byte, n int64) []byte {
	at, dst := bsoncore.AppendDocumentStart(dst)
	start := at
	dst = bsoncore.AppendObjectIDElement(dst, "_id", objectID(n))
	dst = bsoncore.AppendInt64Element(dst, "n", m.r.Int64())
	dst = bsoncore.AppendDateTimeElement(dst, "at", 1_700_000_000_000+m.r.Int64N(1e11))
	dst = bsoncore.AppendStringElement(dst, "customer", fmt.Sprintf("customer-%06d", m.r.IntN(200_000)))
	dst = bsoncore.AppendStringElement(dst, "status", statuses[m.r.IntN(len(statuses))])
	dst = bsoncore.AppendDoubleElement(dst, "amount", float64(m.r.IntN(1_000_000))/100)
	dst = bsoncore.AppendInt32Element(dst, "count", int32(m.r.IntN(100))) //nolint:gosec // small
	if m.size >= 500 {
		dst = m.details(dst)
	}
	if room := m.size - (len(dst) - int(start)) - len("\x02text\x00") - 4 - 1 - 1; room > 0 {
		from := m.r.IntN(len(m.text) - min(room, len(m.text)/2))
		dst = bsoncore.AppendStringElement(dst, "text", string(m.text[from:from+min(room, len(m.text)/2)]))
	}
	dst, err := bsoncore.AppendDocumentEnd(dst, start)
	if err != nil {
		panic(err) // the start is right above
	}
	return dst
}

func (m *maker) details(dst []byte) []byte {
	tags, dst := bsoncore.AppendArrayElementStart(dst, "tags")
	for i := range 3 {
		from := m.r.IntN(len(m.text) - 8)
		dst = bsoncore.AppendStringElement(dst, string(rune('0'+i)), string(m.text[from:from+8]))
	}
	dst, _ = bsoncore.AppendArrayEnd(dst, tags) // its start is right above
	address, dst := bsoncore.AppendDocumentElementStart(dst, "address")
	dst = bsoncore.AppendStringElement(dst, "city", cities[m.r.IntN(len(cities))])
	dst = bsoncore.AppendStringElement(dst, "street", fmt.Sprintf("Street %d", m.r.IntN(500)))
	dst = bsoncore.AppendInt32Element(dst, "zip", int32(10_000+m.r.IntN(89_999))) //nolint:gosec // small
	dst, _ = bsoncore.AppendDocumentEnd(dst, address)                             // its start is right above
	return dst
}

// fill inserts the documents into the source and builds the indexes. It is not
// measured.
func fill(ctx context.Context, c *mongodb.Client, ns migration.Namespace, s dataset) error {
	if err := create(ctx, c, ns); err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	share := (s.documents + fillers - 1) / fillers
	for w := range int64(fillers) {
		group.Go(func() error {
			m := newMaker(uint64(w)+1, s.size) //nolint:gosec // small
			for n, end := w*share, min((w+1)*share, s.documents); n < end; {
				array, next := m.array(n, end)
				if err := insert(groupCtx, c, ns, array, majority); err != nil {
					return err
				}
				n = next
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("fill the source: %w", err)
	}
	return buildIndexes(ctx, c, ns, s.indexes)
}

// array is as many of the documents from n on as one insert takes, and which comes
// next.
func (m *maker) array(n, end int64) (bson.RawArray, int64) {
	at, out := bsoncore.AppendArrayStart(nil)
	var doc []byte
	for i := 0; n < end && i < insertDocuments && len(out) < insertBytes; i++ {
		doc = m.document(doc[:0], n)
		out = bsoncore.AppendDocumentElement(out, fmt.Sprint(i), doc)
		n++
	}
	out, _ = bsoncore.AppendArrayEnd(out, at) // its start is right above
	return out, n
}
