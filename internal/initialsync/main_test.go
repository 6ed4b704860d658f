package initialsync

import (
	"os"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/zap"

	"mongoferry/internal/catalog"
	"mongoferry/internal/devstack"
	"mongoferry/internal/enginetest"
	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
	"mongoferry/internal/ownership"
	"mongoferry/internal/partition"
)

func TestMain(m *testing.M) { os.Exit(devstack.Main(m)) }

// copying is a collection of the test's database that is to be copied.
type copying struct {
	t        *testing.T
	src, dst *mongodb.Client
	ns       migration.Namespace
	meta     string
	c        catalog.Collection
	ledger   *ownership.Ledger
}

// newCopying makes the collection on the source and its counterpart.
func newCopying(t *testing.T, docs []any, options ...bson.E) *copying {
	t.Helper()
	return newCopyingOn(t, enginetest.Source(t), enginetest.Destination(t), docs, options...)
}

// newCopyingOn is newCopying on servers of the test's own.
func newCopyingOn(t *testing.T, src, dst *mongodb.Client, docs []any, options ...bson.E) *copying {
	t.Helper()
	return makeCopying(t, src, dst, false, docs, options...)
}

// newStaged is newCopying of a collection that is staged.
func newStaged(t *testing.T, docs []any, options ...bson.E) *copying {
	t.Helper()
	return makeCopying(t, enginetest.Source(t), enginetest.Destination(t), true, docs, options...)
}

func makeCopying(t *testing.T, src, dst *mongodb.Client, staged bool, docs []any, options ...bson.E) *copying {
	t.Helper()
	db := strings.NewReplacer("/", "_", " ", "_").Replace(t.Name())
	k := &copying{t: t, src: src, dst: dst, ns: migration.Namespace{DB: db, Collection: "c"}, meta: db + "_meta"}
	k.run(append(bson.D{{Key: "create", Value: "c"}}, options...))
	for len(docs) > 0 {
		n := min(len(docs), 1000)
		k.run(bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A(docs[:n])}})
		docs = docs[n:]
	}
	found, err := catalog.Find(t.Context(), k.src, k.ns)
	if err != nil {
		t.Fatal(err)
	}
	k.c = *found
	k.c.Staged = staged
	if k.c.Dest, err = catalog.Create(t.Context(), k.dst, k.c); err != nil {
		t.Fatal(err)
	}
	if err := catalog.NewMap(k.dst, k.meta).Put(t.Context(), k.c); err != nil {
		t.Fatal(err)
	}
	k.ledger = ownership.NewLedger(k.dst, k.meta, db)
	if err := k.ledger.Claim(t.Context(), "source", "run"); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *copying) run(command bson.D) {
	k.t.Helper()
	enginetest.Run(k.t, k.src, k.ns.DB, command)
}

// parts cuts the collection into parts of about so many bytes.
func (k *copying) parts(bytes int64) []partition.Part {
	k.t.Helper()
	parts, err := partition.Split(k.t.Context(), k.src, k.c, bytes)
	if err != nil {
		k.t.Fatal(err)
	}
	return parts
}

// task is a new attempt at a part.
func (k *copying) task(p partition.Part, progress func(Progress)) Task {
	k.t.Helper()
	cols := catalog.NewMap(k.dst, k.meta)
	if err := cols.Load(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
	after, err := mongodb.MajorityOpTime(k.t.Context(), k.src)
	if err != nil {
		k.t.Fatal(err)
	}
	return Task{
		Source: k.src, Destination: k.dst, Log: zap.NewNop(), Map: cols, Part: p, After: after,
		Slots: k.slots(k.dst)[:1], Progress: progress, // how far a busy destination seems is chance
	}
}

// slots are a new attempt's.
func (k *copying) slots(dst *mongodb.Client) []*mongodb.Slot {
	k.t.Helper()
	attempt, err := k.ledger.Begin(k.t.Context(), "")
	if err != nil {
		k.t.Fatal(err)
	}
	return []*mongodb.Slot{
		mongodb.NewSlot(dst, zap.NewNop(), k.meta, attempt.SlotName("copy"), attempt.Epoch),
		mongodb.NewSlot(dst, zap.NewNop(), k.meta, attempt.SlotName("copy 2"), attempt.Epoch),
	}
}

// documents reads a side, in the order of insertion where that matters.
func (k *copying) documents(c *mongodb.Client) []string {
	k.t.Helper()
	order := "_id"
	if k.c.Capped() {
		order = "$natural"
	}
	docs, err := mongodb.All(k.t.Context(), c, k.ns.DB, bson.D{{Key: "find", Value: "c"}, {Key: "sort", Value: bson.D{{Key: order, Value: 1}}}})
	if err != nil {
		k.t.Fatal(err)
	}
	out := make([]string, len(docs))
	for i, d := range docs {
		out[i] = string(d)
	}
	return out
}

// same wants the same bytes on both sides.
func (k *copying) same() {
	k.t.Helper()
	want, have := k.documents(k.src), k.documents(k.dst)
	if len(want) != len(have) {
		k.t.Fatalf("%d documents, want %d", len(have), len(want))
	}
	for i := range want {
		if want[i] != have[i] {
			k.t.Fatalf("document %d is %s, want %s", i, bson.Raw(have[i]), bson.Raw(want[i]))
		}
	}
}
