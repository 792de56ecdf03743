package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// client calls the echo service. What it writes depends on its seed alone, and not on time.
type client struct {
	connection *grpc.ClientConn
	random     *rand.Rand
	seed       int64
	round      int
}

// play writes one JSON line for each round: TARGET AUTHORITY SEED (rounds|seconds) AMOUNT [STREAMS].
func play(args []string) error {
	seed, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	amount, err := strconv.ParseFloat(args[4], 64)
	if err != nil {
		return err
	}
	streams := 200
	if len(args) > 5 {
		if streams, err = strconv.Atoi(args[5]); err != nil {
			return err
		}
	}
	connection, err := grpc.NewClient(
		"passthrough:///"+args[0],
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority(args[1]),
		grpc.WithDisableRetry(),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{}), grpc.MaxCallRecvMsgSize(1<<30)),
	)
	if err != nil {
		return err
	}
	defer connection.Close()
	c := &client{connection: connection, random: rand.New(rand.NewSource(seed)), seed: seed}
	end := time.Now().Add(time.Duration(amount * float64(time.Second)))
	for (args[3] == "rounds" && c.round < int(amount)) || (args[3] == "seconds" && time.Now().Before(end)) {
		seen, err := c.play(streams)
		if err != nil {
			return fmt.Errorf("round %d: %w", c.round, err)
		}
		line, err := json.Marshal(seen)
		if err != nil {
			return err
		}
		fmt.Fprintln(os.Stdout, string(line))
	}
	return nil
}

func (c *client) play(streams int) (map[string]any, error) {
	c.round++
	seen := map[string]any{}
	parts := []struct {
		name string
		act  func() (any, error)
	}{
		{"unary", c.unaries},
		{"large", c.large},
		{"collect", c.collect},
		{"repeat", c.repeat},
		{"fails", c.fails},
		{"early", c.early},
		{"deadline", c.deadline},
		{"cancel", c.cancel},
		{"streams", func() (any, error) { return c.streams(streams) }},
	}
	for _, part := range parts {
		result, err := part.act()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
		seen[part.name] = result
	}
	return seen, nil
}

func (c *client) octets(size int) []byte {
	made := make([]byte, size)
	c.random.Read(made)
	return made
}

func (c *client) metadata() metadata.MD {
	made := metadata.MD{}
	for i := range c.random.Intn(5) {
		made.Append(fmt.Sprintf("x-echo-bin-%d-bin", i%2), string(c.octets(c.random.Intn(120))))
		made.Append("x-echo-text", fmt.Sprintf("v%d, with ~ and %%41", c.random.Intn(10)))
	}
	return made
}

func (c *client) unary(ctx context.Context, method string, request []byte) *outcome {
	var headers, trailers metadata.MD
	var answer []byte
	err := c.connection.Invoke(ctx, service+method, &request, &answer, grpc.Header(&headers), grpc.Trailer(&trailers))
	seen := ended(err, trailers)
	if err == nil {
		seen.Answer = sum(answer)
		seen.Headers = pairs(headers)
	}
	return seen
}

func (c *client) unaries() (any, error) {
	var seen []*outcome
	for _, size := range []int{0, 1, 128, 5000, 65_536, 70_001} {
		ctx := metadata.NewOutgoingContext(context.Background(), c.metadata())
		seen = append(seen, c.unary(ctx, "Unary", c.octets(size)))
	}
	return seen, nil
}

func (c *client) large() (any, error) {
	octets := c.octets(4 << 20)
	seen := c.unary(context.Background(), "Unary", octets)
	if seen.Answer != sum(octets) {
		return nil, fmt.Errorf("4 MiB came back as others: %+v", seen)
	}
	return seen, nil
}

func (c *client) fails() (any, error) {
	var seen []*outcome
	for _, message := range []string{"plain", "nö such %% thing: 100 %", "発見できません 🛶", "two\nlines", ""} {
		want := fault{codes.Code(1 + c.random.Intn(16)), message, fmt.Sprintf("%x", c.octets(1+c.random.Intn(60)))}
		request, err := json.Marshal(map[string]any{"code": int(want.Code), "message": want.Message, "details": want.Details})
		if err != nil {
			return nil, err
		}
		seen = append(seen, c.unary(context.Background(), "Fail", request))
	}
	return seen, nil
}

// hold begins a call that waits at the app; it may need a longer deadline on a busy machine.
func (c *client) hold(name string, timeout time.Duration) (string, grpc.ClientStream, context.CancelFunc, error) {
	for attempt := range 8 {
		key := fmt.Sprintf("%s-%d-%d-%d-%d", name, os.Getpid(), c.seed, c.round, attempt)
		ctx, cancel := context.WithTimeout(context.Background(), timeout<<attempt)
		stream, err := c.open(ctx, "Hold")
		if err == nil {
			err = sendAll(stream, [][]byte{[]byte(key)})
		}
		var first []byte
		if err == nil {
			err = stream.RecvMsg(&first)
		}
		if err == nil {
			return key, stream, cancel, nil
		}
		cancel()
		if ctx.Err() == nil {
			return "", nil, nil, err
		}
	}
	return "", nil, nil, fmt.Errorf("no call began in time")
}

func (c *client) deadline() (any, error) {
	key, stream, cancel, err := c.hold("deadline", 100*time.Millisecond)
	if err != nil {
		return nil, err
	}
	defer cancel()
	seen := read(stream)
	longer, over := context.WithTimeout(context.Background(), 20*time.Second)
	defer over()
	var left, none []byte
	empty := []byte{}
	if err := c.connection.Invoke(longer, service+"Timeout", &empty, &left); err != nil {
		return nil, err
	}
	if err := c.connection.Invoke(context.Background(), service+"Timeout", &empty, &none); err != nil {
		return nil, err
	}
	leftMs, err := strconv.ParseFloat(string(left), 64)
	app := c.unary(context.Background(), "Cancelled", []byte(key))
	return []any{seen.Code, app, leftMs > 10_000 && leftMs < 25_000, string(none)}, err
}

func (c *client) cancel() (any, error) {
	key, stream, cancel, err := c.hold("cancel", time.Minute)
	if err != nil {
		return nil, err
	}
	cancel()
	seen := read(stream)
	code, err := c.cancelStream()
	return []any{seen.Code, c.unary(context.Background(), "Cancelled", []byte(key)), code}, err
}
