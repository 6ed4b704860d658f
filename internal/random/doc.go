// Package random makes up lives of a source from a seed: documents, indexes,
// catalog changes and transactions. Operations have the form of those under
// testdata/scenarios, so that what goes wrong becomes a scenario.
//
// A Writer is alone on its two databases: what its log holds can be lived again
// without the other writers, and with operations left out. Nothing it does is
// undone by the server's clock.
package random
