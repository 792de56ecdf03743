# One service with its sidecar (Nomad 1.7 or later, a Consul agent on each client): one task, because `outrigger run`
# tells the sidecar of the end before the app, and Nomad would do it the other way round.
job "orders" {
  datacenters = ["dc1"]
  type        = "service"

  group "orders" {
    count = 2

    network {
      # The host's network: the agent checks the app on loopback, and several instances share a host.
      mode = "host"
      port "app" {}
      port "peers" {}
      port "health" {}
    }

    task "orders" {
      driver = "exec"
      user   = "nobody"

      config {
        command = "local/outrigger"
        args    = ["run", "--config", "local/mesh.yaml", "--", "local/orders"]
      }

      # Both are single files: the app, and Outrigger by `npm run binary`.
      artifact {
        source = "https://artifacts.example/outrigger-0.1.0-linux-x64.tar.gz"
      }
      artifact {
        source = "https://artifacts.example/orders-1.4.2-linux-x64.tar.gz"
      }

      # A token of this workload, of the role that Consul's auth method for Nomad gives it; Nomad renews the file.
      consul {}

      template {
        destination = "local/mesh.yaml"
        change_mode = "noop"
        data        = <<-YAML
          service: { name: orders, port: {{ env "NOMAD_PORT_app" }}, check: grpc }
          listen:
            app: 127.0.0.1:0
            peers: 0.0.0.0:{{ env "NOMAD_PORT_peers" }}
            admin: 127.0.0.1:0
            health: 0.0.0.0:{{ env "NOMAD_PORT_health" }}
            control: none
          discovery:
            consul:
              url: http://127.0.0.1:8500
              token-file: {{ env "NOMAD_SECRETS_DIR" }}/consul_token
          state-dir: {{ env "NOMAD_SECRETS_DIR" }}/state
        YAML
      }

      env {
        PORT = "${NOMAD_PORT_app}"
      }

      # Nomad's own registration is for the health of the job alone; the mesh knows the service by its sidecar.
      service {
        provider = "nomad"
        name     = "orders-health"
        port     = "health"
        check {
          type     = "http"
          path     = "/ready"
          interval = "5s"
          timeout  = "2s"
        }
      }

      # Longer than drain.notice, drain.calls and drain.app together; the client's max_kill_timeout must allow it.
      kill_timeout = "45s"

      resources {
        cpu    = 300
        memory = 320
      }
    }
  }
}
