// Command interop is the echo service of test/support/echo-methods.ts in Go, and a client that writes down what it saw.
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
	case len(os.Args) >= 7 && os.Args[1] == "client":
		err = play(os.Args[2:])
	default:
		err = fmt.Errorf("usage: interop server | interop client TARGET AUTHORITY SEED (rounds|seconds) AMOUNT [STREAMS]")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
