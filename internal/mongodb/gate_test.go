package mongodb

import (
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"mongoferry/internal/migration"
)

// door is a gate that a test opens and shuts.
type door struct{ shut bool }

func (d *door) Check() error {
	if d.shut {
		return migration.NewFault(migration.LeaseLost, "shut")
	}
	return nil
}

func TestGateStopsCommands(t *testing.T) {
	t.Parallel()
	free := server(t)
	insert(t, free, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "_id", Value: 2}})
	gate := &door{}
	gated := free.WithGate(gate)
	s := slot(t, gated, 1)
	cursor, err := Open(t.Context(), gated, t.Name(), bson.D{{Key: "find", Value: "c"}, {Key: "batchSize", Value: 1}}, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cursor.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cursor.Close(t.Context()) })

	gate.shut = true
	command := bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: 3}}}}}
	steps := map[string]func() error{
		"command":     func() error { _, err := gated.Run(t.Context(), t.Name(), command); return err },
		"raw command": func() error { _, err := gated.RunRaw(t.Context(), t.Name(), marshal(t, command)); return err },
		"slot write":  func() error { _, err := s.Write(t.Context(), t.Name(), insertCommand(t, 3)); return err },
		"take-over":   func() error { return s.Take(t.Context()) },
		"getMore":     func() error { _, err := cursor.Next(t.Context()); return err },
	}
	for name, step := range steps {
		if err := step(); migration.KindOf(err) != migration.LeaseLost {
			t.Errorf("%s: got %v, want %s", name, err, migration.LeaseLost)
		}
	}
	if got := contents(t, free); len(got) != 2 {
		t.Errorf("something was written through a shut gate: %s", got)
	}

	gate.shut = false
	if _, err := s.Write(t.Context(), t.Name(), insertCommand(t, 3)); err != nil {
		t.Errorf("the gate is open again: %v", err)
	}
}

// A gate that shuts while a write is being repeated ends the repetition.
func TestGateShutsDuringRetry(t *testing.T) {
	t.Parallel()
	lost := migration.NewFault(migration.LeaseLost, "shut")
	attempts := 0
	err := Retry(t.Context(), nop(), "write", func() error {
		if attempts++; attempts > 1 {
			return lost
		}
		return election()
	})
	if !errors.Is(err, lost) || attempts != 2 {
		t.Errorf("got %v after %d attempts", err, attempts)
	}
}
