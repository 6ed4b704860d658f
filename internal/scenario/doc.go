// Package scenario reads the histories under testdata/scenarios and lives them on
// a real cluster, for the tests of several packages.
//
// A scenario is a folder of up to three files: before.json holds the operations
// ahead of a migration's start point, during.json those of its copy, after.json
// those of its continuous sync. Each is an array of operations in extended JSON,
// so that the types and the order of fields are what the file says:
//
//	{"about": "what it is about"}                    first in one of the files
//	{"insert": "c", "documents": [{"_id": 1}]}       a command, as the server takes it
//	{"transaction": [ …operations ], "abort": true}  all in one transaction
//	{"begin": "t"}, {"commit": "t"}, {"abort": "t"}  one that may span the files
//	{"repeat": 100, "ops": [ …operations ]}          as often as that
//
// A command may carry "$db" (the database it goes to), "$txn" (the open transaction
// it is part of) and "$expect" (the code, or codes, with which the server must
// refuse it). In strings, %DB% is the scenario's database, %DB2% its second one and
// %I% the number of the repetition; the value {"$i": 1} is that number as an
// int32, and {"$pad": N} a string of N bytes.
package scenario
