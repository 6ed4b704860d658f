// Package demo makes the demo's data, writes to it while it is being migrated,
// and compares both sides afterwards. It uses the public driver alone and shares
// no code with what it judges.
package demo
