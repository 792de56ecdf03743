outrigger agent > agent.log 2>&1 &
SHOP=inventory outrigger run --config inventory.yaml -- node ../main.js &
SHOP=payments outrigger run --config payments.yaml -- node ../main.js &
SHOP=orders outrigger run --config orders.yaml -- node ../main.js &
until outrigger doctor web.yaml --upstream orders; do sleep 1; done
until outrigger doctor orders.yaml --upstream inventory --upstream payments; do sleep 1; done
outrigger run --config web.yaml -- node ../main.js
kill %4 %3 %2; wait %4 %3 %2; kill %1
