package catalog

import (
	"context"

	"mongoferry/internal/migration"
)

// Reconcile brings the map to what an attempt that was killed has left on the
// destination: it may have renamed or dropped a collection and not have got to
// say so. It gives the collections that are gone; they stay in the map until the
// stream comes to their end. Nothing is written.
func (m *Map) Reconcile(ctx context.Context) (gone []Collection, err error) {
	names := map[UUID]migration.Namespace{}
	dbs := map[string]bool{}
	for _, c := range m.All() {
		dbs[c.NS.DB] = true
	}
	for db := range dbs {
		there, err := list(ctx, m.dst, db, nil)
		if err != nil {
			return nil, err
		}
		for _, c := range there {
			if !c.UUID.IsZero() { // views have none
				names[c.UUID] = c.NS
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for uuid, c := range m.byUUID {
		ns, ok := names[c.Dest]
		if !ok {
			gone = append(gone, c)
			continue
		}
		c.NS = ns
		m.byUUID[uuid] = c
	}
	return gone, nil
}
