package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const hopMethod = "/chain.v1.Hop/Call"

// hopSeen is what one hop of a chain saw of a call.
type hopSeen struct {
	Name        string  `json:"name"`
	ID          string  `json:"id"`
	LeftMs      float64 `json:"leftMs"`
	Baggage     string  `json:"baggage"`
	Traceparent string  `json:"traceparent"`
	Caller      string  `json:"caller"`
}

// hop serves one hop of test/interop/chain: it calls NEXT, if it is set, and says what it saw. It knows no mesh: like
// every app with OpenTelemetry it passes traceparent, tracestate and baggage on, and its context has the deadline. It
// prints its port, and ends when standard input does.
func hop() error {
	next := os.Getenv("NEXT")
	var mesh *grpc.ClientConn
	if next != "" {
		connection, err := grpc.NewClient(
			os.Getenv("OUTRIGGER_APP"),
			grpc.WithAuthority(next),
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})),
		)
		if err != nil {
			return err
		}
		mesh = connection
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "0"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	server := grpc.NewServer(
		grpc.ForceServerCodec(raw{}),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error { return answerHop(mesh, stream) }),
	)
	fmt.Printf("{\"port\":%d}\n", listener.Addr().(*net.TCPAddr).Port)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		server.Stop()
	}()
	return server.Serve(listener)
}

func answerHop(mesh *grpc.ClientConn, stream grpc.ServerStream) error {
	if method, _ := grpc.MethodFromServerStream(stream); method != hopMethod {
		return status.Errorf(codes.Unimplemented, "no method %s", method)
	}
	incoming, _ := metadata.FromIncomingContext(stream.Context())
	first := func(key string) string {
		if values := incoming.Get(key); len(values) > 0 {
			return values[0]
		}
		return ""
	}
	seen := hopSeen{
		Name:        os.Getenv("NAME"),
		ID:          first("x-request-id"),
		Baggage:     first("baggage"),
		Traceparent: first("traceparent"),
		Caller:      first("x-outrigger-caller"),
	}
	if deadline, ok := stream.Context().Deadline(); ok {
		seen.LeftMs = float64(time.Until(deadline).Microseconds()) / 1000
	}
	var request []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	line, _ := json.Marshal(seen)
	fmt.Println(string(line))
	hops := []json.RawMessage{line}
	if mesh != nil {
		further, err := callNext(stream.Context(), mesh, request, first)
		if err != nil {
			return err
		}
		hops = append(hops, further...)
	}
	answer, _ := json.Marshal(hops)
	return stream.SendMsg(&answer)
}

func callNext(
	ctx context.Context,
	mesh *grpc.ClientConn,
	request []byte,
	first func(string) string,
) ([]json.RawMessage, error) {
	for _, key := range []string{"traceparent", "tracestate", "baggage"} {
		if value := first(key); value != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, key, value)
		}
	}
	var answer []byte
	if err := mesh.Invoke(ctx, hopMethod, &request, &answer); err != nil {
		return nil, err
	}
	var hops []json.RawMessage
	return hops, json.Unmarshal(answer, &hops)
}
