/* Ctrl-C and SIGTERM: the first is the loop's to hear, which a handler in an endless loop never comes back to. So the process
 * ends when the loop has not turned for some seconds since, and at once at a second Ctrl-C.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "net/net.h"

#define STUCK_SECONDS 5 /* as long as a bot that stops lets its handlers end (client/journal.lua) */

static struct sigaction of_loop;  /* libuv's own handler, the same for each signal */
static struct sigaction of_alarm; /* what SIGALRM did before */
static uv_async_t ping;           /* sent to the loop, which answers it when it turns */
static bool can_ping;
static volatile sig_atomic_t interrupts, asked, answered, silent;

static void end(int number, const char *words) {
  ssize_t written = write(STDERR_FILENO, words, strlen(words));
  (void)written; /* nobody is left to be told */
  signal(number, SIG_DFL);
  raise(number);
}

static void on_ping(uv_async_t *async) {
  (void)async;
  answered = 1;
}

static void send_ping(void) {
  answered = 0;
  uv_async_send(&ping);
}

static void on_interrupt(int number);

/* Each second since the process was asked to stop, until what hears the signal has gone. */
static void on_second(int number) {
  (void)number;
  struct sigaction now;
  if (sigaction(asked, NULL, &now) != 0 || now.sa_handler != on_interrupt) {
    sigaction(SIGALRM, &of_alarm, NULL);
    return;
  }
  silent = answered ? 0 : silent + 1;
  if (silent == STUCK_SECONDS)
    end(asked,
        "\nmoonpost: ended: a handler has kept it from stopping for 5 s; what was not finished is taken up by the next run\n");
  if (answered) send_ping();
  alarm(1);
}

static void on_interrupt(int number) {
  if (number == SIGINT && ++interrupts == 2)
    end(number, "\nmoonpost: ended at once by a second Ctrl-C; what was not finished is taken up by the next run\n");
  of_loop.sa_handler(number);
  if (asked != 0 || !can_ping) return;
  asked = number;
  silent = 0;
  send_ping();
  struct sigaction seconds = {.sa_handler = on_second, .sa_flags = SA_RESTART};
  sigemptyset(&seconds.sa_mask);
  sigaction(SIGALRM, &seconds, &of_alarm);
  alarm(1);
}

void mp_interrupt_watch(int number) {
  struct sigaction now;
  if (sigaction(number, NULL, &now) != 0 || now.sa_handler == on_interrupt) return;
  if (asked != 0) alarm(0);
  if (!can_ping && !mp_loop_borrowed() && uv_async_init(mp_loop(), &ping, on_ping) == 0) {
    uv_unref((uv_handle_t *)&ping);
    can_ping = true;
  }
  of_loop = now;
  interrupts = asked = 0;
  now.sa_handler = on_interrupt;
  sigdelset(&now.sa_mask, SIGINT);
  sigdelset(&now.sa_mask, SIGALRM);
  sigaction(number, &now, NULL);
}
