/* A charge controller's own firmware, in simavr, with its serial line on a pseudo terminal.

   avrhost FIRMWARE.hex: prints the pseudo terminal's path, then runs until it is killed. The chip is the one of an
   OpenEVSE (ATmega328P at 16 MHz); every analogue input reads 4.5 V: a pilot of +12 V, supply present. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <simavr/avr_adc.h>
#include <simavr/avr_ioport.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_hex.h>
#include <simavr/parts/uart_pty.h>

enum { CLOCK = 16000000, MILLIVOLTS = 4500, INPUTS = 8, AT_ONCE = 1000 };

int main(int count, char **arguments)
{
    if (count != 2)
        return 2;
    uint32_t size = 0, start = 0;
    uint8_t *code = read_ihex_file(arguments[1], &size, &start);
    if (code == NULL)
        return 3;
    avr_t *avr = avr_make_mcu_by_name("atmega328p");
    avr_init(avr);
    avr->frequency = CLOCK;
    avr->vcc = avr->avcc = avr->aref = 5000;
    avr_loadcode(avr, code, size, start);
    avr->codeend = avr->flashend;

    uart_pty_t line;
    uart_pty_init(avr, &line);
    uart_pty_connect(&line, '0');
    printf("%s\n", line.pty.slavename);
    fflush(stdout);
    for (int input = 0; input < INPUTS; input++)
        avr_raise_irq(avr_io_getirq(avr, AVR_IOCTL_ADC_GETIRQ, ADC_IRQ_ADC0 + input), MILLIVOLTS);
    for (;;) {
        for (int step = 0; step < AT_ONCE; step++) {
            int state = avr_run(avr);
            if (state == cpu_Done || state == cpu_Crashed)
                return 4;
        }
    }
}
