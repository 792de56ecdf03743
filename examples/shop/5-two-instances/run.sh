outrigger agent > agent.log 2>&1 &
SHOP=inventory outrigger run --config one.yaml -- node ../main.js &
SHOP=inventory outrigger run --config other.yaml -- sh -c 'echo $$ > app.pid; exec node ../main.js' &
until outrigger doctor web.yaml --upstream inventory; do sleep 1; done
(sleep 2; kill -9 $(cat app.pid)) &
ORDERS=40 EVERY=100 outrigger run --config web.yaml -- node ../main.js
kill %3 %2; wait %3 %2; kill %1
