// Package devstack fetches and runs real servers on this machine: mongod and
// Temporal, for the demo, for `starter dev` and for the tests.
//
// Nothing it starts outlives the process that started it, however that ends.
package devstack
