// Package architecture holds tests of the repository itself: which package may
// import which, and that docker-compose.yml is what the README says.
package architecture
