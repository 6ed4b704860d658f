// Package e2e holds the tests of the whole: real workers as processes of their
// own, real Temporal, real replica sets, and everything that can be killed.
package e2e
