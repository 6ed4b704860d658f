package e2e

import (
	"context"
	"os"
	"path/filepath"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	"mongoferry/internal/seal"
)

// recordInto names the folder into which histories are recorded, to be replayed
// by the tests of package workflows; empty: none are.
var recordInto = os.Getenv("MONGOFERRY_RECORD")

// newKey is a key of this test's own; recorded histories share one, which is in
// nobody's hands.
func newKey() seal.Key {
	if recordInto != "" {
		return make(seal.Key, 32)
	}
	return seal.NewKey()
}

// record keeps the history of a migration under a name.
func (s *stack) record(id, name string) {
	s.t.Helper()
	if recordInto == "" {
		return
	}
	var history historypb.History
	events := s.client.GetWorkflowHistory(context.Background(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			s.t.Fatal(err)
		}
		forgetWho(event.ProtoReflect())
		for _, payload := range event.GetWorkflowPropertiesModifiedEventAttributes().GetUpsertedMemo().GetFields() {
			payload.Data = []byte("{}") // a replay does not look at it
		}
		history.Events = append(history.Events, event)
	}
	text, err := protojson.Marshal(&history)
	if err == nil {
		err = os.WriteFile(filepath.Join(recordInto, name+".json"), append(text, '\n'), 0o644)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// forgetWho removes the identities of processes, which name the machine.
func forgetWho(m protoreflect.Message) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Name() == "identity":
			m.Clear(field)
		case field.Kind() == protoreflect.MessageKind && !field.IsList() && !field.IsMap():
			forgetWho(value.Message())
		}
		return true
	})
}
