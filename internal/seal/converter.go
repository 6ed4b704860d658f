package seal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	"mongoferry/internal/migration"
)

const (
	encodingField = "encoding"
	encoding      = "binary/mongoferry-sealed"
	keyField      = "mongoferry-key"
)

// DataConverter seals what is not clear. Without a key nothing is sealed, and
// what was sealed cannot be read.
func DataConverter(key Key) converter.DataConverter {
	return &dataConverter{DataConverter: converter.GetDefaultDataConverter(), key: key}
}

// dataConverter seals value by value, since only here the type is known.
type dataConverter struct {
	converter.DataConverter
	key    Key
	panics bool
}

var _ workflow.ContextAware = (*dataConverter)(nil)

// WithWorkflowContext is the converter inside a workflow: what cannot be unsealed
// there panics. That fails the workflow's task, to be taken up by a worker that
// has the key, where an error would fail the migration.
func (d *dataConverter) WithWorkflowContext(workflow.Context) converter.DataConverter {
	return &dataConverter{DataConverter: d.DataConverter, key: d.key, panics: true}
}

// WithContext is the converter elsewhere.
func (d *dataConverter) WithContext(context.Context) converter.DataConverter { return d }

// ToPayload converts and, unless the value is clear, seals.
func (d *dataConverter) ToPayload(value any) (*commonpb.Payload, error) {
	payload, err := d.DataConverter.ToPayload(value)
	if err != nil || payload == nil || d.key == nil || isClear(value) {
		return payload, err
	}
	return d.key.seal(payload)
}

// FromPayload unseals, if it was sealed, and converts.
func (d *dataConverter) FromPayload(payload *commonpb.Payload, value any) error {
	plain, err := d.key.unseal(payload)
	if err != nil && d.panics {
		panic(err)
	}
	if err != nil {
		return err
	}
	return d.DataConverter.FromPayload(plain, value)
}

// ToPayloads converts each value.
func (d *dataConverter) ToPayloads(values ...any) (*commonpb.Payloads, error) {
	if len(values) == 0 {
		return nil, nil
	}
	out := &commonpb.Payloads{}
	for i, v := range values {
		payload, err := d.ToPayload(v)
		if err != nil {
			return nil, fmt.Errorf("convert value %d: %w", i, err)
		}
		out.Payloads = append(out.Payloads, payload)
	}
	return out, nil
}

// FromPayloads converts each payload.
func (d *dataConverter) FromPayloads(payloads *commonpb.Payloads, values ...any) error {
	for i, payload := range payloads.GetPayloads() {
		if i >= len(values) {
			break
		}
		if err := d.FromPayload(payload, values[i]); err != nil {
			return fmt.Errorf("convert payload %d: %w", i, err)
		}
	}
	return nil
}

// ToString is for showing.
func (d *dataConverter) ToString(payload *commonpb.Payload) string {
	plain, err := d.key.unseal(payload)
	if err != nil {
		return "(sealed)"
	}
	return d.DataConverter.ToString(plain)
}

// ToStrings is for showing.
func (d *dataConverter) ToStrings(payloads *commonpb.Payloads) []string {
	var out []string
	for _, payload := range payloads.GetPayloads() {
		out = append(out, d.ToString(payload))
	}
	return out
}

// isClear says whether a value may be read by anybody who sees Temporal.
func isClear(value any) bool {
	switch value.(type) {
	case nil, string, *string, bool, migration.Clearer:
		return true
	default:
		return false
	}
}

func (k Key) seal(payload *commonpb.Payload) (*commonpb.Payload, error) {
	plain, err := proto.Marshal(payload)
	if err != nil {
		return nil, fmt.Errorf("seal a payload: %w", err)
	}
	gcm, err := k.cipher()
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, gcm.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return &commonpb.Payload{
		Metadata: map[string][]byte{encodingField: []byte(encoding), keyField: []byte(k.ID())},
		Data:     gcm.Seal(nonce, nonce, plain, []byte(encoding)),
	}, nil
}

func (k Key) unseal(payload *commonpb.Payload) (*commonpb.Payload, error) {
	if string(payload.GetMetadata()[encodingField]) != encoding {
		return payload, nil
	}
	id := string(payload.Metadata[keyField])
	if k == nil {
		return nil, fmt.Errorf("this is sealed with key %s: set %s or %s to it", id, EnvKey, EnvKeyFile)
	}
	if id != k.ID() {
		return nil, fmt.Errorf("this is sealed with key %s, but the key here is %s: starter and workers must share one", id, k.ID())
	}
	gcm, err := k.cipher()
	if err != nil {
		return nil, err
	}
	if len(payload.Data) < gcm.NonceSize() {
		return nil, fmt.Errorf("a sealed payload is too short")
	}
	nonce, sealed := payload.Data[:gcm.NonceSize()], payload.Data[gcm.NonceSize():]
	plain, err := gcm.Open(nil, nonce, sealed, []byte(encoding))
	if err != nil {
		return nil, fmt.Errorf("open a sealed payload: %w", err)
	}
	out := &commonpb.Payload{}
	if err := proto.Unmarshal(plain, out); err != nil {
		return nil, fmt.Errorf("open a sealed payload: %w", err)
	}
	return out, nil
}

func (k Key) cipher() (cipher.AEAD, error) {
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, fmt.Errorf("use the key: %w", err)
	}
	return cipher.NewGCM(block)
}
