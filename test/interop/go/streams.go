package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"sort"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// outcome is what one call came to.
type outcome struct {
	Answer   string     `json:"answer,omitempty"`
	Code     string     `json:"code"`
	Message  string     `json:"message"`
	Headers  [][]string `json:"headers,omitempty"`
	Trailers [][]string `json:"trailers"`
	Count    int        `json:"count,omitempty"`
}

// What a sidecar may add, and what a server writes by itself.
var notCompared = map[string]bool{"x-request-id": true, "date": true, "grpc-encoding": true, "grpc-accept-encoding": true}

func sum(octets []byte) string {
	digest := sha256.Sum256(octets)
	return hex.EncodeToString(digest[:])
}

// pairs is metadata by key, values in the order in which they came.
func pairs(from metadata.MD) [][]string {
	made := [][]string{}
	for key, values := range from {
		if notCompared[key] {
			continue
		}
		pair := []string{key}
		for _, value := range values {
			pair = append(pair, hex.EncodeToString([]byte(value)))
		}
		made = append(made, pair)
	}
	sort.Slice(made, func(i, j int) bool { return made[i][0] < made[j][0] })
	return made
}

func ended(err error, trailers metadata.MD) *outcome {
	found, _ := status.FromError(err)
	return &outcome{Code: found.Code().String(), Message: found.Message(), Trailers: pairs(trailers)}
}

func (c *client) open(ctx context.Context, method string) (grpc.ClientStream, error) {
	both := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	return c.connection.NewStream(ctx, both, service+method)
}

func sendAll(stream grpc.ClientStream, messages [][]byte) error {
	for _, message := range messages {
		if err := stream.SendMsg(&message); err != nil && err != io.EOF {
			return err
		}
	}
	return stream.CloseSend()
}

// read takes all that comes.
func read(stream grpc.ClientStream) *outcome {
	digest, count := sha256.New(), 0
	for {
		var message []byte
		err := stream.RecvMsg(&message)
		if err == nil {
			digest.Write(message)
			count++
			continue
		}
		if err == io.EOF {
			err = nil
		}
		seen := ended(err, stream.Trailer())
		if headers, failed := stream.Header(); failed == nil {
			seen.Headers = pairs(headers)
		}
		seen.Answer, seen.Count = hex.EncodeToString(digest.Sum(nil)), count
		return seen
	}
}

func (c *client) collect() (any, error) {
	messages := c.messages(60, 3000)
	stream, err := c.open(metadata.NewOutgoingContext(context.Background(), c.metadata()), "Collect")
	if err != nil {
		return nil, err
	}
	if err := sendAll(stream, messages); err != nil {
		return nil, err
	}
	return read(stream), nil
}

func (c *client) repeat() (any, error) {
	want := asked{c.random.Intn(80), c.random.Intn(9000)}
	stream, err := c.open(metadata.NewOutgoingContext(context.Background(), c.metadata()), "Repeat")
	if err != nil {
		return nil, err
	}
	request, err := json.Marshal(want)
	if err != nil {
		return nil, err
	}
	if err := sendAll(stream, [][]byte{request}); err != nil {
		return nil, err
	}
	seen := read(stream)
	if seen.Count != want.Count {
		return nil, fmt.Errorf("%d messages of %d", seen.Count, want.Count)
	}
	return seen, nil
}

func (c *client) early() (any, error) {
	stream, err := c.open(context.Background(), "Early")
	if err != nil {
		return nil, err
	}
	if err := sendAll(stream, [][]byte{[]byte("first"), []byte("second"), []byte("third")}); err != nil {
		return nil, err
	}
	return read(stream), nil
}

func (c *client) cancelStream() (string, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stream, err := c.open(ctx, "Bidi")
	if err != nil {
		return "", err
	}
	message := []byte("more")
	if err := stream.SendMsg(&message); err != nil {
		return "", err
	}
	if err := stream.RecvMsg(&message); err != nil {
		return "", err
	}
	cancel()
	return read(stream).Code, nil
}

func (c *client) messages(most, longest int) [][]byte {
	made := make([][]byte, c.random.Intn(most+1))
	for i := range made {
		made[i] = c.octets(c.random.Intn(longest + 1))
	}
	return made
}

// streams opens so many at once, messages interleaved, and half-closes each at a moment of its own.
func (c *client) streams(count int) (any, error) {
	calls := make([]grpc.ClientStream, count)
	left := make([][][]byte, count)
	order := []int{}
	for i := range calls {
		left[i] = c.messages(12, 700)
		for range len(left[i]) + 1 {
			order = append(order, i)
		}
		var err error
		if calls[i], err = c.open(metadata.NewOutgoingContext(context.Background(), c.metadata()), "Bidi"); err != nil {
			return nil, err
		}
	}
	c.random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	seen := make([]*outcome, count)
	sent := make([]hash.Hash, count)
	var readers sync.WaitGroup
	for i := range calls {
		sent[i] = sha256.New()
		readers.Go(func() { seen[i] = read(calls[i]) })
	}
	for _, i := range order {
		if len(left[i]) == 0 {
			if err := calls[i].CloseSend(); err != nil {
				return nil, err
			}
			continue
		}
		message := left[i][0]
		left[i] = left[i][1:]
		sent[i].Write(message)
		if err := calls[i].SendMsg(&message); err != nil && err != io.EOF {
			return nil, err
		}
	}
	readers.Wait()
	for i := range seen {
		if want := hex.EncodeToString(sent[i].Sum(nil)); seen[i].Code == "OK" && seen[i].Answer != want {
			return nil, fmt.Errorf("stream %d: other octets came back", i)
		}
	}
	return seen, nil
}
