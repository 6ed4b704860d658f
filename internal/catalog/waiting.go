package catalog

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// waits is the reason of an index that a document stood against which the source
// never had together with it: of before the index was made, or after it was
// dropped.
const waits = "a document of another moment stood against it: it is built again when the sync has passed that moment"

// waiting says whether the index was put off.
func (i Index) waiting() bool { return i.Failed && i.Reason == waits }

// PutOff drops the indexes of a collection that can stand against a document, until
// BuildWaiting. It gives the number of those that stood there or were not put off before.
// It may run again after it was interrupted.
func (ch *Changer) PutOff(ctx context.Context, c Collection) (put int, err error) {
	have, err := destinationIndexes(ctx, ch.Destination, c)
	if err != nil {
		return 0, err
	}
	var names []string
	for n, i := range c.Indexes {
		switch {
		case i.onID() || !i.choosy():
		case i.waiting():
			if have[i.Name].Spec != nil {
				names = append(names, i.Name)
				put++
			}
		case !i.Failed:
			names = append(names, i.Name)
			c.Indexes[n].Failed, c.Indexes[n].Reason = true, waits
			put++
		}
	}
	if len(names) == 0 {
		return 0, nil
	}
	// Written first: an index that is gone without a word would stand against the cutover.
	if err := ch.Map.Put(ctx, c); err != nil {
		return 0, err
	}
	return put, ch.dropIndexes(ctx, c, names)
}

// DropWaiting drops what an interrupted PutOff, or BuildWaiting, has left standing: nobody
// looks after an index that is said to be put off.
func (ch *Changer) DropWaiting(ctx context.Context, c Collection) error {
	have, err := destinationIndexes(ctx, ch.Destination, c)
	if err != nil {
		return err
	}
	var names []string
	for _, i := range c.Indexes {
		if i.waiting() && have[i.Name].Spec != nil {
			names = append(names, i.Name)
		}
	}
	return ch.dropIndexes(ctx, c, names)
}

// choosy says whether there are documents that the index cannot hold: those with
// arrays or values of certain types, for all but plain indexes on one field.
func (i Index) choosy() bool {
	elements, err := i.key().Elements()
	if err != nil || len(elements) != 1 {
		return true
	}
	_, collated := i.Spec.Lookup("collation").DocumentOK()
	return collated || elements[0].Value().Type == bson.TypeString || i.wildcard()
}

func (i Index) wildcard() bool {
	_, err := i.Spec.LookupErr("wildcardProjection")
	return err == nil
}

// Waiting are the collections with indexes that were put off.
func (m *Map) Waiting() []Collection {
	var out []Collection
	for _, c := range m.All() {
		for _, i := range c.Indexes {
			if i.waiting() {
				out = append(out, c)
				break
			}
		}
	}
	return out
}

// BuildWaiting builds the indexes that were put off; those that are refused again
// are reported.
func (ch *Changer) BuildWaiting(ctx context.Context, c Collection) error { return ch.build(ctx, c) }
