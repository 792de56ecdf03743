// Command interop is the echo service of test/support/echo-methods.ts in Go, a client that writes down what it saw, and
// one hop of a chain.
package main

import (
	"fmt"
	"os"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "server":
		err = serve()
	case len(os.Args) == 2 && os.Args[1] == "hop":
		err = hop()
	case len(os.Args) >= 7 && os.Args[1] == "client":
		err = play(os.Args[2:])
	default:
		err = fmt.Errorf("usage: interop server | interop hop | interop client TARGET AUTHORITY SEED (rounds|seconds) AMOUNT [STREAMS]")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
