package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// cancelled remembers the keys of Hold calls that ended, and tells who waits for one.
type cancelled struct {
	lock  sync.Mutex
	known map[string]chan struct{}
}

func (c *cancelled) of(key string) chan struct{} {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.known[key] == nil {
		c.known[key] = make(chan struct{})
	}
	return c.known[key]
}

type fault struct {
	Code    codes.Code `json:"code"`
	Message string     `json:"message"`
	Details string     `json:"details"`
}

type asked struct {
	Count int `json:"count"`
	Size  int `json:"size"`
}

// serve runs the echo service on a free port of loopback, prints the port and ends when standard input does.
func serve() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	over := &cancelled{known: map[string]chan struct{}{}}
	server := grpc.NewServer(
		grpc.ForceServerCodec(raw{}),
		grpc.MaxRecvMsgSize(1<<30),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error { return answer(over, stream) }),
	)
	fmt.Printf("{\"port\":%d}\n", listener.Addr().(*net.TCPAddr).Port)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		server.Stop()
	}()
	return server.Serve(listener)
}

func answer(over *cancelled, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	incoming, _ := metadata.FromIncomingContext(stream.Context())
	if method != service+"Fail" {
		stream.SetTrailer(echoed(incoming, "x-trail-"))
		if err := stream.SetHeader(echoed(incoming, "x-echo-")); err != nil {
			return err
		}
	}
	switch method {
	case service + "Collect":
		return collect(stream)
	case service + "Bidi":
		return bidi(stream)
	}
	var request []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	switch method {
	case service + "Unary":
		return stream.SendMsg(&request)
	case service + "Repeat":
		return repeat(stream, request)
	case service + "Fail":
		return fail(stream, request)
	case service + "Early":
		return status.Error(codes.OutOfRange, "enough")
	case service + "Hold":
		if err := stream.SendMsg(&request); err != nil {
			return err
		}
		<-stream.Context().Done()
		close(over.of(string(request)))
		return status.FromContextError(stream.Context().Err()).Err()
	case service + "Cancelled":
		return send(stream, whether(over.of(string(request))))
	case service + "Timeout":
		return send(stream, left(stream))
	}
	return status.Errorf(codes.Unimplemented, "unknown method %s", method)
}

func send(stream grpc.ServerStream, text string) error {
	octets := []byte(text)
	return stream.SendMsg(&octets)
}

func whether(ended chan struct{}) string {
	select {
	case <-ended:
		return "yes"
	case <-time.After(5 * time.Second):
		return "no"
	}
}

func left(stream grpc.ServerStream) string {
	deadline, ok := stream.Context().Deadline()
	if !ok {
		return "Infinity"
	}
	return fmt.Sprint(time.Until(deadline).Seconds() * 1000)
}

func collect(stream grpc.ServerStream) error {
	digest, count, size := sha256.New(), 0, 0
	for {
		var message []byte
		if err := stream.RecvMsg(&message); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		count++
		size += len(message)
		digest.Write(message)
	}
	sum := map[string]any{"count": count, "bytes": size, "sha256": hex.EncodeToString(digest.Sum(nil))}
	text, err := json.Marshal(sum)
	if err != nil {
		return err
	}
	return send(stream, string(text))
}

func bidi(stream grpc.ServerStream) error {
	for {
		var message []byte
		if err := stream.RecvMsg(&message); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
}

func repeat(stream grpc.ServerStream, request []byte) error {
	var want asked
	if err := json.Unmarshal(request, &want); err != nil {
		return err
	}
	for i := range want.Count {
		message := make([]byte, want.Size)
		for at := range message {
			message[at] = byte(i % 251)
		}
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
	return nil
}

func fail(stream grpc.ServerStream, request []byte) error {
	var want fault
	if err := json.Unmarshal(request, &want); err != nil {
		return err
	}
	details, err := hex.DecodeString(want.Details)
	if err != nil {
		return err
	}
	stream.SetTrailer(metadata.Pairs("grpc-status-details-bin", string(details)))
	return status.Error(want.Code, want.Message)
}
