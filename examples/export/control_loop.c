/* A control loop as a microcontroller runs it: read a sensor, compute, write an actuator.
 * With -DSIMULATED the pendulum is a simulation, and the program says whether it stays up. */
#include "controller.h"

#ifdef SIMULATED
#include <stdio.h>
static float angle = 0.4f, speed = 0.0f;
static void sensor(float *x) {
  x[0] = angle;
  x[1] = speed;
}
static void actuator(float torque) {
  speed += 0.01f * (9.81f * sinf(angle) - torque);
  angle += 0.01f * speed;
}
#else
/* Of a real board: the registers of an encoder and of a motor. */
static volatile float encoder[2], motor;
static void sensor(float *x) {
  x[0] = encoder[0];
  x[1] = encoder[1];
}
static void actuator(float torque) { motor = torque; }
#endif

int main(void) {
  float x[CONTROLLER_INPUTS], torque[CONTROLLER_OUTPUTS];
  int step;
  for (step = 0; step < 1000; ++step) { /* for (;;), on a board */
    sensor(x);
    controller_predict(x, torque);
    actuator(torque[0]);
  }
#ifdef SIMULATED
  printf("after 10 s: angle %.3f, speed %.3f\n", angle, speed);
  return !(angle > -0.1f && angle < 0.1f);
#else
  return 0;
#endif
}
