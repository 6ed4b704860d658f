// Package migration holds the words every other package shares: what the
// operator asked for (Spec), where a migration stands (Phase, Status), and the
// small values that travel between clusters, workflow and command line.
//
// It depends on nothing of ours, so that every package may depend on it.
package migration
