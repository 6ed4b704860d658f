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
// at the end. Every change is written through to the metadata database first.
type Map struct {
	dst    *mongodb.Client
	metaDB string

	mu     sync.RWMutex
	byUUID map[UUID]Collection
	views  map[migration.Namespace]Collection
}

// NewMap makes an empty map; see Load.
func NewMap(dst *mongodb.Client, metaDB string) *Map {
	return &Map{dst: dst, metaDB: metaDB, byUUID: map[UUID]Collection{}, views: map[migration.Namespace]Collection{}}
}

// entry is the form in the metadata database. Data is BSON in a binary, since
// specs hold field names that the server would not store.
type entry struct {
	ID     any    `bson:"_id"`
	Source []byte `bson:"source,omitempty"`
	Dest   []byte `bson:"dest,omitempty"`
	Data   []byte `bson:"data"`
}

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
	e := entry{ID: entryID(c), Data: data}
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
	return c, nil
}

// Load reads the whole map from the metadata database.
func (m *Map) Load(ctx context.Context) error {
	docs, err := mongodb.All(ctx, m.dst, m.metaDB, bson.D{
		{Key: "find", Value: mapCollection}, {Key: "readConcern", Value: bson.D{{Key: "level", Value: "majority"}}},
	})
	if err != nil {
		return fmt.Errorf("read the catalog map: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.byUUID)
	clear(m.views)
	for _, doc := range docs {
		var e entry
		if err := bson.Unmarshal(doc, &e); err != nil {
			return fmt.Errorf("read the catalog map: %w", err)
		}
		c, err := e.collection()
		if err != nil {
			return fmt.Errorf("read the catalog map: %w", err)
		}
		m.set(c)
	}
	return nil
}

func (m *Map) set(c Collection) {
	if c.UUID.IsZero() {
		m.views[c.NS] = c
		return
	}
	m.byUUID[c.UUID] = c
}

// putBatch bounds the statements of one update command.
const putBatch = 500

// Put writes entries, new or changed.
func (m *Map) Put(ctx context.Context, cols ...Collection) error {
	for len(cols) > 0 {
		n := min(len(cols), putBatch)
		if err := m.put(ctx, cols[:n]); err != nil {
			return err
		}
		cols = cols[n:]
	}
	return nil
}

func (m *Map) put(ctx context.Context, cols []Collection) error {
	updates := bson.A{}
	for _, c := range cols {
		e, err := newEntry(c)
		if err != nil {
			return err
		}
		updates = append(updates, bson.D{
			{Key: "q", Value: bson.D{{Key: "_id", Value: e.ID}}}, {Key: "u", Value: e}, {Key: "upsert", Value: true},
		})
	}
	if err := m.write(ctx, bson.D{{Key: "update", Value: mapCollection}, {Key: "updates", Value: updates}}); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range cols {
		m.set(c)
	}
	return nil
}

// Remove forgets an entry.
func (m *Map) Remove(ctx context.Context, c Collection) error {
	err := m.write(ctx, bson.D{{Key: "delete", Value: mapCollection}, {Key: "deletes", Value: bson.A{
		bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: entryID(c)}}}, {Key: "limit", Value: 1}},
	}}})
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.UUID.IsZero() {
		delete(m.views, c.NS)
	} else {
		delete(m.byUUID, c.UUID)
	}
	return nil
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

// ownsDest says whether some entry stands for this collection of the destination.
func (m *Map) ownsDest(dest UUID) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, c := range m.byUUID {
		if c.Dest == dest {
			return true
		}
	}
	return false
}
