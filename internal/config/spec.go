package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/spf13/pflag"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"mongoferry/internal/migration"
)

// specOptions are the cluster flags.
func specOptions(s *migration.Spec) []option {
	const uri = "connection `STRING` of the %s: mongodb://…, mongodb+srv://…, or where the worker finds it: env:NAME, file:PATH"
	const ca = "PEM `FILE`, on the worker's machine, with the CA of the %s"
	return []option{
		{name: "id", usage: "the migration's `ID`, its name in Temporal (default: made from the time)", set: text(&s.ID)},
		{name: "source", usage: fmt.Sprintf(uri, "source"), set: text(&s.Source.URI)},
		{name: "destination", usage: fmt.Sprintf(uri, "destination"), set: text(&s.Destination.URI)},
		{name: "source-tls-ca-file", usage: fmt.Sprintf(ca, "source"), set: text(&s.Source.TLSCAFile)},
		{name: "destination-tls-ca-file", usage: fmt.Sprintf(ca, "destination"), set: text(&s.Destination.TLSCAFile)},
		{name: "include", kind: list, usage: "migrate only this `NAMESPACE`: db, db.* or db.collection; repeatable", set: patterns(&s.Include)},
		{name: "exclude", kind: list, usage: "do not migrate this `NAMESPACE`; repeatable, wins over --include", set: patterns(&s.Exclude)},
		{name: "drop-destination", kind: boolean, usage: "delete existing data in the namespaces to be migrated", set: truth(&s.DropDestination)},
		{name: "cutover-window", def: shortDuration(migration.DefaultCutoverWindow),
			usage: "how long after phase ready is reached the `DURATION` for a cutover lasts", set: duration(&s.CutoverWindow)},
		{name: "extension", def: shortDuration(migration.DefaultExtension),
			usage: "the `DURATION` that extend adds to it", set: duration(&s.Extension)},
		{name: "ready-lag", def: shortDuration(migration.DefaultReadyLag),
			usage: "phase ready is reached at this lag, a `DURATION`", set: duration(&s.ReadyLag)},
		{name: "cutover-timeout", def: shortDuration(migration.DefaultCutoverTimeout),
			usage: "a cutover that is not done after this `DURATION` is backed out", set: duration(&s.CutoverTimeout)},
		{name: "source-writes", def: string(migration.BlockWrites),
			usage: "`WHO` stops the writes to the source at cutover: block (mongoferry) or stopped (you)",
			set:   choice(&s.SourceWrites, migration.BlockWrites, migration.StoppedWrites)},
		{name: "load", def: string(migration.LoadNormal),
			usage: "how much of both clusters it may take, `LEVEL`: low, normal or high; starter tune changes it",
			set:   parsed(&s.Pace.Load, migration.ParseLoad)},
		{name: "max-rate", def: migration.RateOff,
			usage: "copy and apply at most this `RATE`, over all workers: 5000docs/s, 20MB/s or off; starter tune changes it",
			set:   parsed(&s.Pace.MaxRate, migration.ParseRate)},
		{name: "temporary-user", kind: list, usage: "drop this `USER` of the destination (of its database admin) at clean-up; repeatable", set: many(&s.TemporaryUsers)},
		{name: "metadata-db", def: migration.DefaultMetadataDB,
			usage: "`DATABASE` on the destination for the migration's own records", set: text(&s.MetadataDB)},
	}
}

// SpecFlags adds the cluster flags.
func SpecFlags(fs *pflag.FlagSet) { register(fs, specOptions(new(migration.Spec))) }

// LoadSpec reads what the operator asks for; ID stays empty when none was
// given. Whether it works out with the clusters is for the checks to say.
// A password in plain text needs a key, under which it travels sealed.
func LoadSpec(fs *pflag.FlagSet, env Lookup, hasKey bool) (migration.Spec, error) {
	var s migration.Spec
	if err := load(fs, env, specOptions(&s)); err != nil {
		return migration.Spec{}, err
	}
	s = s.WithDefaults()
	for _, check := range []func(migration.Spec) error{checkID, checkEndpoints, checkDatabases} {
		if err := check(s); err != nil {
			return migration.Spec{}, err
		}
	}
	if err := checkSecrets(s, hasKey); err != nil {
		return migration.Spec{}, err
	}
	return s, nil
}

func checkID(s migration.Spec) error {
	if s.ID != "" && !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`).MatchString(s.ID) {
		return usagef("id %q: want up to 100 letters, digits, dots, dashes and underscores", s.ID)
	}
	return nil
}

func checkEndpoints(s migration.Spec) error {
	for _, side := range []struct {
		name string
		migration.Endpoint
	}{{"source", s.Source}, {"destination", s.Destination}} {
		if side.URI == "" {
			return usagef("the %s is missing: give --%s, %s or %s: in the file of --config", side.name, side.name, envName(side.name), side.name)
		}
		if err := checkURI(side.Address()); err != nil {
			return usagef("%s: %w", side.name, err)
		}
	}
	return nil
}

func checkURI(u migration.URI) error {
	whole := u.Reveal()
	switch {
	case u.IsReference():
		if _, place, _ := strings.Cut(whole, ":"); place == "" {
			return fmt.Errorf("%q names nothing: want env:NAME or file:PATH", whole)
		}
		return nil
	case strings.HasPrefix(whole, "mongodb+srv://"):
		// Reading the whole takes DNS, which is the worker's.
		main, query, _ := strings.Cut(whole[len("mongodb+srv://"):], "?")
		user, _, found := cutLast(main, "@")
		if _, err := url.PathUnescape(user); err != nil {
			return errUnescaped
		}
		if strings.ContainsAny(user, "/#") && found || !found && strings.Contains(query, "@") {
			return errUnescaped
		}
		return nil
	case strings.HasPrefix(whole, "mongodb://"):
		_, err := connstring.ParseAndValidate(whole)
		if err != nil && strings.Contains(whole, "@") {
			// The parser quotes what it stumbles over, which may be the password.
			return errUnescaped
		}
		if err != nil {
			return fmt.Errorf("%s: %w", u, err)
		}
		return nil
	default:
		return errors.New("want mongodb://…, mongodb+srv://…, env:NAME or file:PATH")
	}
}

// errUnescaped quotes nothing: what could be quoted may be a password.
var errUnescaped = errors.New("not a valid connection string (not shown, since it may hold a password); in a user name or password " +
	"write : / ? # [ ] @ % as %3A %2F %3F %23 %5B %5D %40 %25")

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func checkDatabases(s migration.Spec) error {
	switch db := s.MetadataDB; {
	case db == "admin" || db == "local" || db == "config":
		return usagef("metadata-db %q: belongs to the server: choose another name", db)
	case len(db) > 63 || strings.ContainsAny(db, "/\\. \"$*<>:|?\x00"):
		return usagef("metadata-db %q: not a database name", db)
	}
	return nil
}

// checkSecrets refuses to let a password travel where Temporal could read it.
func checkSecrets(s migration.Spec, hasKey bool) error {
	if hasKey {
		return nil
	}
	for name, e := range map[string]migration.Endpoint{"source": s.Source, "destination": s.Destination} {
		if e.Address().HasPassword() {
			return fmt.Errorf("the %s's connection string holds a password, and there is no key to seal it with: "+
				"keep the string on the workers and give env:NAME (a variable there) or file:PATH (a file there), "+
				"or set MONGOFERRY_KEY or MONGOFERRY_KEY_FILE here and on the workers to one key, as from: head -c 32 /dev/urandom | base64", name)
		}
	}
	return nil
}
