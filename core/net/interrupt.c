/* Ctrl-C: the first is the loop's to hear, which a handler in an endless loop never comes back to; the second ends the process.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "net/net.h"

static struct sigaction loops; /* libuv's own */
static volatile sig_atomic_t interrupts;

static void on_interrupt(int number) {
  static const char words[] = "\nmoonpost: ended at once by a second Ctrl-C; what was not finished is taken up by the next run\n";
  if (++interrupts == 1) {
    loops.sa_handler(number);
    return;
  }
  ssize_t written = write(STDERR_FILENO, words, sizeof words - 1);
  (void)written; /* nobody is left to be told */
  signal(number, SIG_DFL);
  raise(number);
}

void mp_interrupt_watch(void) {
  struct sigaction now;
  if (sigaction(SIGINT, NULL, &now) != 0 || now.sa_handler == on_interrupt) return;
  loops = now;
  interrupts = 0;
  now.sa_handler = on_interrupt;
  sigdelset(&now.sa_mask, SIGINT);
  sigaction(SIGINT, &now, NULL);
}
