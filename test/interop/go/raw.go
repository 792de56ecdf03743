package main

import (
	"fmt"
	"strings"

	"google.golang.org/grpc/metadata"
)

// raw carries messages as plain bytes; no code is generated.
type raw struct{}

func (raw) Marshal(message any) ([]byte, error) {
	octets, ok := message.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("not bytes: %T", message)
	}
	return *octets, nil
}

func (raw) Unmarshal(octets []byte, message any) error {
	*(message.(*[]byte)) = append([]byte{}, octets...)
	return nil
}

func (raw) Name() string { return "proto" }

const service = "/interop.Echo/"

// echoed is what came as x-echo-*, under another prefix.
func echoed(from metadata.MD, prefix string) metadata.MD {
	back := metadata.MD{}
	for key, values := range from {
		if name, ok := strings.CutPrefix(key, "x-echo-"); ok {
			back[prefix+name] = values
		}
	}
	return back
}
