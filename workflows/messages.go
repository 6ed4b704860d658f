package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"mongoferry/internal/migration"
)

// refusal is why a message cannot be obeyed now. Name is the type of the
// application error that an update gets.
type refusal struct{ Name, Text string }

func refused(name, format string, args ...any) *refusal {
	return &refusal{Name: name, Text: fmt.Sprintf(format, args...)}
}

func (r *refusal) asError() error {
	if r == nil {
		return nil
	}
	return temporal.NewNonRetryableApplicationError(r.Text, r.Name, nil)
}

// message is one that has come. wrong is why what came along cannot be read.
type message struct {
	name   string
	tuning migration.Tuning
	wrong  error
}

// tuneMessage is a tune with what came along with its signal, which somebody may have
// typed: what cannot be read must not vanish, but be refused.
func tuneMessage(raw converter.RawValue) message {
	in := message{name: migration.MessageTune}
	if raw.Payload() == nil {
		return in
	}
	var typed typedTuning
	in.wrong = converter.GetDefaultDataConverter().FromPayload(raw.Payload(), &typed)
	in.tuning = typed.Tuning
	return in
}

// typedTuning is a tuning of which every key must be known.
type typedTuning struct{ migration.Tuning }

// UnmarshalJSON refuses keys that are not known.
func (t *typedTuning) UnmarshalJSON(data []byte) error {
	return migration.DecodeKnown(data, &t.Tuning)
}

// messages are the names that exist both as signal and as update.
func messages() []string {
	return []string{
		migration.MessageCutover, migration.MessageExtend, migration.MessagePause, migration.MessageResume, migration.MessageTune,
	}
}

// listen takes messages as signals and as updates of the same name. Both go
// through obey; a signal that is refused becomes a notice.
func (m *run) listen(ctx workflow.Context) error {
	for _, name := range messages() {
		err := workflow.SetUpdateHandlerWithOptions(ctx, name,
			func(ctx workflow.Context, in migration.Request) (string, error) {
				return m.update(ctx, message{name: name, tuning: in.Tuning})
			},
			workflow.UpdateHandlerOptions{
				Validator: func(ctx workflow.Context, in migration.Request) error {
					return m.refuseUpdate(ctx, name, in).asError()
				},
				Description: describe(name),
			})
		if err != nil {
			return err
		}
		workflow.Go(ctx, func(ctx workflow.Context) { m.signals(ctx, name) })
	}
	return nil
}

func describe(name string) string {
	switch name {
	case migration.MessageCutover:
		return "Stop writes to the source, apply the last changes and open the destination."
	case migration.MessageExtend:
		return "Extend the cutover timer."
	case migration.MessagePause:
		return "Pause copying or continuous sync; the cutover timer goes on."
	case migration.MessageTune:
		return `Change load (low, normal, high) or maxRate (like 5000docs/s, 20MB/s, off), as in {"load":"low"}.`
	default:
		return "Go on after a pause."
	}
}

// update obeys a message whose sender waits for the answer. A cutover is
// answered when it has begun or was refused after a fresh look at both clusters.
func (m *run) update(ctx workflow.Context, in message) (string, error) {
	// Between validation and now another message may have been obeyed.
	if r := m.refuse(in); r != nil {
		return "", r.asError()
	}
	ticket := len(m.cutover.answers)
	answer := m.obey(ctx, in)
	if in.name != migration.MessageCutover {
		return answer, nil
	}
	err := workflow.Await(ctx, func() bool { return len(m.cutover.answers) > ticket || m.ending })
	switch {
	case err != nil:
		return "", err
	case len(m.cutover.answers) <= ticket:
		return "", m.refuse(in).asError()
	}
	return "cutover begun", m.cutover.answers[ticket].asError()
}

func (m *run) signals(ctx workflow.Context, name string) {
	channel := workflow.GetSignalChannel(ctx, name)
	for {
		if name != migration.MessageTune {
			channel.Receive(ctx, nil) // whatever comes along
			m.signal(ctx, message{name: name})
			continue
		}
		var raw converter.RawValue
		channel.Receive(ctx, &raw)
		m.signal(ctx, tuneMessage(raw))
	}
}

func (m *run) signal(ctx workflow.Context, in message) {
	if r := m.refuse(in); r != nil {
		m.notice(ctx, "%s refused: %s", in.name, r.Text)
		return
	}
	m.obey(ctx, in)
}

// obey carries out a message that was not refused.
func (m *run) obey(ctx workflow.Context, in message) string {
	switch in.name {
	case migration.MessageCutover:
		m.cutover.wanted = true
		m.interruptWork()
		return "cutover requested"
	case migration.MessageExtend:
		return m.extend(ctx)
	case migration.MessagePause:
		m.Status.Paused = true
		m.interruptWork()
		m.publish(ctx)
		return "paused"
	case migration.MessageTune:
		return m.tune(ctx, in.tuning)
	default:
		m.Status.Paused = false
		m.Look.Next = time.Time{} // somebody may have mended what stood against an index
		m.publish(ctx)
		return "resumed"
	}
}
