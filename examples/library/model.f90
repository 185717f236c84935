! The period of a pendulum by its amplitude in radians, in units of the period of small swings.
!
!   gfortran -O2 -shared -fPIC -o libmodel.so model.f90
!
integer(c_int) function model(x, nx, parameters, np, seed, y, ny) bind(c)
  use iso_c_binding
  implicit none
  integer(c_size_t), value :: nx, np, ny
  integer(c_int64_t), value :: seed
  real(c_double) :: x(nx), parameters(np), y(ny)
  real(c_double), parameter :: pi = acos(-1d0)
  real(c_double) :: a, b, mean

  model = 2
  if (.not. abs(x(1)) < pi) return
  ! An elliptic integral, by the arithmetic-geometric mean (Gauss).
  a = 1
  b = cos(x(1) / 2)
  do while (abs(a - b) > parameters(1) * a)
    mean = (a + b) / 2
    b = sqrt(a * b)
    a = mean
  end do
  y(1) = 1 / a
  model = 0
end function
