package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// text takes one value as it is.
func text(to *string) func([]string) error {
	return func(values []string) error {
		*to = values[0]
		return nil
	}
}

// many takes all values as they are.
func many(to *[]string) func([]string) error {
	return func(values []string) error {
		if slices.Contains(values, "") {
			return errors.New("holds an empty value")
		}
		*to = values
		return nil
	}
}

// pattern is db, db.* or db.collection; a collection's name may hold dots.
var pattern = regexp.MustCompile(`^([^.*/\\ "$]+)(\.\*|\.[^*]*[^*.])?$`)

// patterns takes names of namespaces.
func patterns(to *[]string) func([]string) error {
	return func(values []string) error {
		for _, v := range values {
			found := pattern.FindStringSubmatch(v)
			if found == nil {
				return fmt.Errorf("%q: want db, db.* or db.collection", v)
			}
			if db := found[1]; db == "admin" || db == "local" || db == "config" {
				return fmt.Errorf("%q: the databases admin, local and config belong to the server and are not migrated", v)
			}
		}
		*to = values
		return nil
	}
}

// truth takes true or false.
func truth(to *bool) func([]string) error {
	return func(values []string) error {
		v, err := strconv.ParseBool(values[0])
		if err != nil {
			return fmt.Errorf("%q: want true or false", values[0])
		}
		*to = v
		return nil
	}
}

// leastDuration is below what any of the durations can mean.
const leastDuration = time.Second

// duration takes a length of time.
func duration(to *time.Duration) func([]string) error {
	return func(values []string) error {
		v, err := time.ParseDuration(values[0])
		if err != nil {
			return fmt.Errorf("%q: want a duration like 90s, 15m or 120h", values[0])
		}
		if v < leastDuration {
			return fmt.Errorf("%s: want at least %s", values[0], shortDuration(leastDuration))
		}
		*to = v
		return nil
	}
}

// shortDuration prints 120h rather than 120h0m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// choice takes one of a few words.
func choice[T ~string](to *T, allowed ...T) func([]string) error {
	return func(values []string) error {
		if !slices.Contains(allowed, T(values[0])) {
			words := make([]string, len(allowed))
			for i, a := range allowed {
				words[i] = string(a)
			}
			return fmt.Errorf("%q: want %s", values[0], strings.Join(words, " or "))
		}
		*to = T(values[0])
		return nil
	}
}

// parsed takes one value as a parser reads it.
func parsed[T any](to *T, parse func(string) (T, error)) func([]string) error {
	return func(values []string) error {
		v, err := parse(values[0])
		if err == nil {
			*to = v
		}
		return err
	}
}
