package catalog

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

const mapCollection = "catalog"

// Map says where each collection of the source stands on the destination. It is
// the routing table of the replication and the memory of what must be restored
// at the end; and it knows the last catalog change that it holds. Every change
// is written through to the metadata database first.
type Map struct {
	dst    *mongodb.Client
	metaDB string

	mu     sync.RWMutex
	byUUID map[UUID]Collection
	views  map[migration.Namespace]Collection
	last   string
}

// NewMap makes an empty map; see Load.
func NewMap(dst *mongodb.Client, metaDB string) *Map {
	return &Map{dst: dst, metaDB: metaDB, byUUID: map[UUID]Collection{}, views: map[migration.Namespace]Collection{}}
}

// entry is the form in the metadata database. Data is BSON in a binary, since
// specs hold field names that the server would not store. An entry that is Gone
// is none: removing is an update, so that it goes into the same command as the
// rest of a change.
type entry struct {
	ID     any    `bson:"_id"`
	Source []byte `bson:"source,omitempty"`
	Dest   []byte `bson:"dest,omitempty"`
	Data   []byte `bson:"data,omitempty"`
	Staged bool   `bson:"staged,omitempty"`
	Gone   bool   `bson:"gone,omitempty"`
}

// lastChange is the _id of the document that names the last catalog change. No
// entry has it: views go by "db.name", collections by their UUID.
const lastChange = "last change"

func entryID(c Collection) any {
	if c.UUID.IsZero() {
		return c.NS.String()
	}
	return c.UUID.Binary()
}

func newEntry(c Collection) (entry, error) {
	if c.Options == nil {
		c.Options = bson.Raw(bsoncore.NewDocumentBuilder().Build())
	}
	data, err := bson.Marshal(c)
	if err != nil {
		return entry{}, fmt.Errorf("encode the catalog entry of %s: %w", c.NS, err)
	}
	e := entry{ID: entryID(c), Data: data, Staged: c.Staged}
	if !c.UUID.IsZero() {
		e.Source = c.UUID[:]
	}
	if !c.Dest.IsZero() {
		e.Dest = c.Dest[:]
	}
	return e, nil
}

func (e entry) collection() (Collection, error) {
	var c Collection
	if err := bson.Unmarshal(e.Data, &c); err != nil {
		return c, err
	}
	copy(c.UUID[:], e.Source)
	copy(c.Dest[:], e.Dest)
	c.Staged = e.Staged
	return c, nil
}

// Load reads the whole map from the metadata database.
func (m *Map) Load(ctx context.Context) error {
	settled, err := mongodb.Settled(ctx, m.dst)
	if err != nil {
		return fmt.Errorf("read the catalog map: %w", err)
	}
	docs, err := mongodb.All(ctx, m.dst, m.metaDB, bson.D{{Key: "find", Value: mapCollection}, settled})
	if err != nil {
		return fmt.Errorf("read the catalog map: %w", err)
	}
	gone, err := m.take(docs)
	if err != nil {
		return fmt.Errorf("read the catalog map: %w", err)
	}
	if !gone {
		return nil
	}
	return m.write(ctx, bson.D{{Key: "delete", Value: mapCollection}, {Key: "deletes", Value: bson.A{
		bson.D{{Key: "q", Value: bson.D{{Key: "gone", Value: true}}}, {Key: "limit", Value: 0}},
	}}})
}

// loadBatch bounds the UUIDs of one query.
const loadBatch = 1000

// LoadSome reads the entries of these collections alone: of 100,000, a unit of the
// copy needs 200. What is not among them is not in the map then, nor is the last
// catalog change: no events can be routed by it.
func (m *Map) LoadSome(ctx context.Context, uuids []UUID) error {
	settled, err := mongodb.Settled(ctx, m.dst)
	if err != nil {
		return fmt.Errorf("read the catalog map: %w", err)
	}
	var docs []bson.Raw
	for batch := range slices.Chunk(uuids, loadBatch) {
		ids := make(bson.A, len(batch))
		for i, u := range batch {
			ids[i] = u.Binary()
		}
		found, err := mongodb.All(ctx, m.dst, m.metaDB, bson.D{
			{Key: "find", Value: mapCollection},
			{Key: "filter", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}}, settled,
		})
		if err != nil {
			return fmt.Errorf("read the catalog map: %w", err)
		}
		docs = append(docs, found...)
	}
	if _, err := m.take(docs); err != nil {
		return fmt.Errorf("read the catalog map: %w", err)
	}
	return nil
}

// take replaces the map by what the documents say, and tells whether there are
// entries that are gone.
func (m *Map) take(docs []bson.Raw) (gone bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.byUUID)
	clear(m.views)
	m.last = ""
	for _, doc := range docs {
		if id, ok := doc.Lookup("_id").StringValueOK(); ok && id == lastChange {
			m.last, _ = doc.Lookup("token").StringValueOK()
			continue
		}
		var e entry
		if err := bson.Unmarshal(doc, &e); err != nil {
			return false, err
		}
		if e.Gone {
			gone = true
			continue
		}
		c, err := e.collection()
		if err != nil {
			return false, err
		}
		m.set(c)
	}
	return gone, nil
}

func (m *Map) set(c Collection) {
	if c.UUID.IsZero() {
		m.views[c.NS] = c
		return
	}
	m.byUUID[c.UUID] = c
}

func (m *Map) unset(c Collection) {
	if c.UUID.IsZero() {
		delete(m.views, c.NS)
		return
	}
	delete(m.byUUID, c.UUID)
}

// Put writes entries, new or changed.
func (m *Map) Put(ctx context.Context, cols ...Collection) error {
	return m.update(ctx, update{put: cols})
}

// Remove forgets entries.
func (m *Map) Remove(ctx context.Context, cols ...Collection) error {
	return m.update(ctx, update{remove: cols})
}

// Holds says whether the map holds the catalog change of this token (the data of
// a resume token; they compare in the order of the stream) or a later one.
func (m *Map) Holds(token string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return token <= m.last
}

// update is what a change does to the map. token, when set, becomes that of the
// last change.
type update struct {
	put, remove []Collection
	token       string
}

// putBatch bounds the statements of one update command.
const putBatch = 500

// update writes a change and takes it in. The token is written last: as long as
// it is not there, the change may be made again.
func (m *Map) update(ctx context.Context, u update) error {
	statements, err := u.statements()
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(statements, putBatch) {
		if err := m.write(ctx, bson.D{{Key: "update", Value: mapCollection}, {Key: "updates", Value: batch}}); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range u.put {
		m.set(c)
	}
	for _, c := range u.remove {
		m.unset(c)
	}
	if u.token != "" {
		m.last = u.token
	}
	return nil
}

func (u update) statements() ([]bson.D, error) {
	var out []bson.D
	replace := func(id, by any, upsert bool) {
		out = append(out, bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: id}}}, {Key: "u", Value: by}, {Key: "upsert", Value: upsert}})
	}
	for _, c := range u.put {
		e, err := newEntry(c)
		if err != nil {
			return nil, err
		}
		replace(e.ID, e, true)
	}
	for _, c := range u.remove {
		replace(entryID(c), entry{ID: entryID(c), Gone: true}, false)
	}
	if u.token != "" {
		replace(lastChange, bson.D{{Key: "token", Value: u.token}}, true)
	}
	return out, nil
}

func (m *Map) write(ctx context.Context, cmd bson.D) error {
	if err := m.dst.Write(ctx, m.metaDB, cmd); err != nil {
		return fmt.Errorf("write the catalog map: %w", err)
	}
	return nil
}

// ByUUID finds a collection by its UUID on the source.
func (m *Map) ByUUID(u UUID) (Collection, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	c, ok := m.byUUID[u]
	c.Indexes = slices.Clone(c.Indexes) // callers change their copy
	return c, ok
}

// made says whether a collection of the destination is one that the map knows.
func (m *Map) made(dest UUID) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, c := range m.byUUID {
		if c.Dest == dest {
			return true
		}
	}
	return false
}

// View finds a view by its name.
func (m *Map) View(ns migration.Namespace) (Collection, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	c, ok := m.views[ns]
	return c, ok
}

// All gives every entry, in no particular order.
func (m *Map) All() []Collection {
	m.mu.RLock()
	defer m.mu.RUnlock()
	out := make([]Collection, 0, len(m.byUUID)+len(m.views))
	for _, c := range m.byUUID {
		out = append(out, c)
	}
	for _, c := range m.views {
		out = append(out, c)
	}
	return out
}
