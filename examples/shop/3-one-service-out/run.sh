outrigger agent > agent.log 2>&1 &
SHOP=inventory outrigger run --config inventory.yaml -- node ../main.js &
until outrigger doctor web.yaml --upstream inventory; do sleep 1; done
outrigger run --config web.yaml -- node ../main.js
kill %2; wait %2; kill %1
