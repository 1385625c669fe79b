#include "services/gateway/http/server.h"

#include <utility>  // before Asio, whose 1.74 forgets it

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "libs/base/mutex.h"
#include "libs/observe/log.h"
#include "services/gateway/http/connection.h"

namespace weir::gateway::http {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using Error = boost::system::error_code;

constexpr std::chrono::milliseconds kAcceptPause{100};

class BeastServer final : public Server {
 public:
  BeastServer(const ServerOptions& options, Handler handler)
      : options_(options),
        handler_(std::move(handler)),
        connection_budget_(options.connections_max),
        body_budget_(options.body_bytes_together_max) {
    for (int i = 0; i < options_.threads; ++i) {
      loops_.push_back(std::make_unique<Loop>(options_, handler_, connection_budget_, body_budget_));
    }
  }
  ~BeastServer() override { Stop(); }

  absl::Status Listen();
  const std::string& address() const override { return address_; }
  size_t connections() const override { return connection_budget_.taken(); }
  void Stop() override;

 private:
  void Accept();
  void OnAccept(const Error& error, tcp::socket socket, Loop& loop);
  // Runs `work` on every loop's thread.
  void OnEachLoop(const std::function<void(Loop&)>& work);

  const ServerOptions options_;
  const Handler handler_;
  Budget connection_budget_;
  Budget body_budget_;
  std::vector<std::unique_ptr<Loop>> loops_;
  // Used on the first loop's thread.
  std::optional<tcp::acceptor> acceptor_;
  std::optional<asio::steady_timer> retry_;
  size_t next_loop_ = 0;
  std::string address_;
  std::vector<std::thread> threads_;
  bool stopped_ = false;
};

absl::Status BeastServer::Listen() {
  const auto failed = [this](const Error& error) {
    return absl::UnavailableError(absl::StrCat("Cannot listen on ", options_.listen, ": ", error.message(), "."));
  };
  const size_t colon = options_.listen.rfind(':');
  std::string host = options_.listen.substr(0, colon);
  if (host.size() > 1 && host.front() == '[') host = host.substr(1, host.size() - 2);
  Error error;
  asio::io_context& io = loops_[0]->io;
  const auto found = tcp::resolver(io).resolve(host, options_.listen.substr(colon + 1), error);
  if (error) return failed(error);
  const tcp::endpoint endpoint = *found.begin();
  acceptor_.emplace(io);
  acceptor_->open(endpoint.protocol(), error);
  if (!error) acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_->bind(endpoint, error);
  if (!error) acceptor_->listen(asio::socket_base::max_listen_connections, error);
  if (error) return failed(error);
  address_ = absl::StrCat(options_.listen.substr(0, colon), ":", acceptor_->local_endpoint().port());
  Accept();
  for (const auto& loop : loops_) {
    threads_.emplace_back([&io = loop->io] {
      const auto work = asio::make_work_guard(io);
      io.run();
    });
  }
  return absl::OkStatus();
}

void BeastServer::Accept() {
  Loop& loop = *loops_[next_loop_++ % loops_.size()];
  acceptor_->async_accept(loop.io, [this, &loop](const Error& error, tcp::socket socket) {
    OnAccept(error, std::move(socket), loop);
  });
}

void BeastServer::OnAccept(const Error& error, tcp::socket socket, Loop& loop) {
  if (error == asio::error::operation_aborted || !acceptor_->is_open()) return;
  if (error) {
    // Out of descriptors, most likely; trying again at once would spin.
    observe::Log(observe::Level::kWarning, "cannot accept a connection", {{"error", error.message()}});
    retry_.emplace(loops_[0]->io, kAcceptPause);
    retry_->async_wait([this](const Error& aborted) {
      if (!aborted) Accept();
    });
    return;
  }
  if (connection_budget_.TryTake(1)) {
    asio::post(loop.io, [connection = std::make_shared<Connection>(std::move(socket), loop)] {
      connection->Start();
    });
  }
  Accept();
}

void BeastServer::OnEachLoop(const std::function<void(Loop&)>& work) {
  for (const auto& loop : loops_) {
    Notification done;
    asio::post(loop->io, [&] {
      work(*loop);
      done.Notify();
    });
    done.WaitForNotification();
  }
}

void BeastServer::Stop() {
  if (threads_.empty() || std::exchange(stopped_, true)) return;
  OnEachLoop([this](Loop& loop) {
    if (&loop != loops_[0].get()) return;
    Error ignored;
    acceptor_->close(ignored);
    retry_.reset();
  });
  OnEachLoop([](Loop& loop) {
    loop.draining = true;
    const std::vector<Connection*> all(loop.connections.begin(), loop.connections.end());
    for (Connection* connection : all) connection->Drain();
  });
  connection_budget_.AwaitAll(absl::Now() + options_.drain_timeout);
  OnEachLoop([](Loop& loop) {
    const std::vector<Connection*> all(loop.connections.begin(), loop.connections.end());
    for (Connection* connection : all) connection->Close();
  });
  for (const auto& loop : loops_) loop->io.stop();
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options, Handler handler) {
  auto server = std::make_unique<BeastServer>(options, std::move(handler));
  if (absl::Status status = server->Listen(); !status.ok()) return status;
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace weir::gateway::http
