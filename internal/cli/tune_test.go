package cli

import (
	"encoding/json"
	"testing"

	"mongoferry/internal/migration"
)

func TestTune(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	id := name(t)
	s.want(s.run("start", "--id", id, "--source", "env:S", "--destination", "env:D", "--load", "high"), exitDone, id, "")
	s.want(s.run("tune", id, "--max-rate", "1MB/s"), exitFailed, "",
		`temporal workflow signal --workflow-id `+id+` --name tune --input '{"maxRate":"1MB/s"}'`)
	s.work()
	s.awaitPhase(id, migration.Ready)
	s.want(s.run("status", id), exitDone, "load high, no max rate", "")
	s.want(s.run("tune", id, "--max-rate", "20MB/s"), exitDone, id+": load high, max rate 20MB/s\n", "")
	got := s.run("tune", id, "--load", "low", "--max-rate", "5000docs/s", "-o", "json")
	var out tuned
	if err := json.Unmarshal([]byte(got.out), &out); err != nil {
		t.Errorf("%v: %s", err, got.out)
	}
	want := migration.Pace{Load: migration.LoadLow, MaxRate: migration.Rate{Documents: 5000}}
	if got.code != exitDone || out.Pace == nil || *out.Pace != want || out.Result != want.String() {
		t.Errorf("%+v: %+v", got, out)
	}
	s.want(s.run("tune", id, "--max-rate", "off", "--no-wait"), exitDone, id+": accepted\n", "")
	s.await(id, "without a limit", func(m migration.Status) bool { return m.Pace == migration.Pace{Load: migration.LoadLow} })
	s.want(s.run("cutover", id, "--yes"), exitDone, "", "")
	s.want(s.run("tune", id, "--load", "high"), exitFailed, "", "tune refused: the migration "+id+" has ended: completed")
	s.want(s.run("tune", "nobody", "--load", "high"), exitFailed, "", `unknown id: no migration "nobody"`)
}
